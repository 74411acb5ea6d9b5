"""What a result depends on: processor, driver, versions, flags."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import torch

from harness.contract.records import Device, Environment

# There while the kernel's part of NVIDIA's driver is loaded, which it is for a GPU only.
_KERNEL_MODULE: Final = Path("/proc/driver/nvidia/version")
# How torch and CUDA say that a machine has none (c10/cuda/CUDAFunctions.cpp).
_NO_GPU: Final = (
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
    "no CUDA-capable device is detected",
)


def device() -> torch.device:
    """The first visible GPU, else the CPU. CUDA_VISIBLE_DEVICES chooses."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


class GpuError(RuntimeError):
    """The GPU of a run is not there, or does not do what it is told."""


def describe() -> Environment:
    """Read the environment of this process.

    Raises: RuntimeError, in torch's words, where there is a GPU that torch cannot use: measuring
    the CPU in its place would answer another question.
    """
    if not torch.cuda.is_available():
        _refuse_broken_driver()
    return Environment(
        device=_device(),
        torch=torch.__version__,
        torch_cuda=torch.version.cuda,
        torch_arch_list=tuple(torch.cuda.get_arch_list()),
        triton=_version("triton"),
        transformers=_version("transformers") or "",
        numpy=_version("numpy") or "",
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu_name(),
        cpu_count=_usable_cpus(),
        torch_threads=torch.get_num_threads(),
        memory_bytes=_memory_bytes(),
        cxx_compiler=_cxx_compiler(),
        float32_matmul_precision=torch.get_float32_matmul_precision(),
        cudnn_allow_tf32=torch.backends.cudnn.allow_tf32 if torch.cuda.is_available() else None,
        cudnn_version=_cudnn_version(),
        in_container=Path("/.dockerenv").exists(),
    )


def require_answer(gpu_uuid: str) -> None:
    """Let the GPU with this UUID move and change a few bytes; an empty UUID stands for a CPU, which
    is asked nothing.

    Raises: GpuError, or torch's own RuntimeError, where it is another one, is gone or does not
    answer as it should. A GPU that hangs makes this hang: the caller limits the time.
    """
    if not gpu_uuid:
        return
    require_gpu(gpu_uuid)
    try:
        answered = _gives_back(torch.tensor([3.0]))
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        return  # whoever says that its memory is full answers
    if not answered:
        raise GpuError("the GPU gives other bytes back than it was given")


def _gives_back(sent: torch.Tensor) -> bool:
    """Whether a few numbers come back from the GPU as they were. Raises: torch's RuntimeError."""
    on_gpu = sent.to("cuda")
    on_gpu + 1  # a kernel has to run, whatever it computes
    torch.cuda.synchronize()
    return torch.equal(on_gpu.cpu(), sent)


def require_gpu(gpu_uuid: str) -> None:
    """Raises: GpuError where torch sees no GPU any more, or another one than the run began on: a
    driver that loses its GPU in the middle of a run must not make the CPU take its place."""
    if not gpu_uuid:
        return
    if not torch.cuda.is_available():
        _refuse_broken_driver()  # in the driver's own words, if it has some
        raise GpuError(f"PyTorch sees no GPU any more; the run began on {gpu_uuid}")
    if (found := uuid(device())) != gpu_uuid:
        raise GpuError(f"the first GPU is {found} now; the run began on {gpu_uuid}")


def flags() -> dict[str, str]:
    """How torch does arithmetic now, read back: what was asked for is not always what is set.

    Reads the per-backend settings alone: asking the older ones raises once these are set.
    """
    backends: Any = torch.backends  # not all of its attributes are typed
    return {
        "matmul fp32_precision": str(backends.cuda.matmul.fp32_precision),
        "conv fp32_precision": str(backends.cudnn.conv.fp32_precision),
        "cudnn.benchmark": str(backends.cudnn.benchmark),
        "cudnn.deterministic": str(backends.cudnn.deterministic),
        "deterministic algorithms": str(torch.are_deterministic_algorithms_enabled()),
        "autocast": str(torch.is_autocast_enabled("cuda") or torch.is_autocast_enabled("cpu")),
        "gradients": str(torch.is_grad_enabled()),
        "threads": str(torch.get_num_threads()),
    }


def multiprocessors(device: torch.device) -> int | None:
    """How many the GPU has; None for a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.get_device_properties(device).multi_processor_count


def uuid(device: torch.device) -> str:
    """The GPU's UUID as NVML writes it."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def forget_cached_memory(device: torch.device) -> None:
    """Give memory that no tensor holds back to the device, and start a new peak."""
    if device.type == "cuda":
        _free_workspaces(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int | None:
    """The most device memory that tensors held since it was forgotten; None on a CPU.

    Without the workspaces that cuBLAS keeps from its first product on, 8 to 32 MiB per process:
    they are no part of the model, and a graph mode has none, so that a small model would seem to
    need a hundredth when it is compiled.
    """
    if device.type != "cuda":
        return None
    peak_bytes = torch.cuda.max_memory_allocated(device)
    return peak_bytes - _free_workspaces(device)


def _free_workspaces(device: torch.device) -> int:
    """Free the workspaces of cuBLAS, which the next product makes anew; how many bytes they held.

    The function is private; torch calls it itself around the recording of a CUDA graph, and keeps
    no other way (torch/_inductor/cudagraph_trees.py, clear_cublass_cache).
    """
    before_bytes = torch.cuda.memory_allocated(device)
    bindings: Any = torch._C  # noqa: SLF001
    bindings._cuda_clearCublasWorkspaces()  # noqa: SLF001
    return before_bytes - torch.cuda.memory_allocated(device)


def _device() -> Device:
    if device().type == "cpu":
        return Device(type="cpu", name=_cpu_name())
    properties = torch.cuda.get_device_properties(0)
    return Device(
        type="cuda",
        name=properties.name,
        uuid=uuid(device()),
        capability=f"{properties.major}.{properties.minor}",
        memory_bytes=properties.total_memory,
        multiprocessors=properties.multi_processor_count,
        driver=_driver(),
    )


def _cudnn_version() -> int | None:
    """The version, such as 92400; None on a CPU, and where cuDNN refuses to say: torch raises where
    it has given up this architecture, as on Volta, which the supervisor tells in better words."""
    cudnn: Any = torch.backends.cudnn  # its functions are untyped
    try:
        return cudnn.version() if torch.cuda.is_available() else None
    except RuntimeError:
        return None


def _refuse_broken_driver() -> None:
    """Raises: RuntimeError, torch's own, where a build for CUDA finds a GPU's driver that fails.

    No driver and no GPU are no failure: such a machine is measured by its CPU. So is one whose
    GPUs were hidden. A driver whose kernel module is loaded has a GPU, even if it says that it has
    none: that one fell off the bus.
    """
    if torch.version.cuda is None or os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return
    cuda: Any = torch.cuda  # `init` is untyped
    try:
        cuda.init()
    except RuntimeError as error:
        absent = any(text in str(error) for text in _NO_GPU) and not _KERNEL_MODULE.exists()
        if not absent:
            raise


def _driver() -> str | None:
    """The driver's version, from nvidia-smi; None where that is missing."""
    return _first_line("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")


def _cxx_compiler() -> str | None:
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++")), None)
    return _first_line(compiler, "--version") if compiler else None


def _first_line(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.splitlines()), None)


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _usable_cpus() -> int:
    """Those this process may run on, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

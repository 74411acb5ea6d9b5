"""Whether the GPU that a run began on is there, and answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import torch

from harness.contract.visible_gpus import VARIABLE, hides_every_gpu
from harness.devices.cuda import NvidiaGpu

# There while the kernel's part of NVIDIA's driver is loaded, which it is for a GPU only.
_KERNEL_MODULE: Final = Path("/proc/driver/nvidia/version")
# How torch and CUDA say that a machine has none (c10/cuda/CUDAFunctions.cpp).
_NO_GPU: Final = (
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
    "no CUDA-capable device is detected",
)


class GpuError(RuntimeError):
    """The GPU of a run is not there, or does not do what it is told."""


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
        refuse_broken_driver()  # in the driver's own words, if it has some
        raise GpuError(f"PyTorch sees no GPU any more; the run began on {gpu_uuid}")
    if (found := NvidiaGpu().uuid) != gpu_uuid:
        raise GpuError(f"the first GPU is {found} now; the run began on {gpu_uuid}")


def refuse_broken_driver() -> None:
    """Raises: RuntimeError, torch's own, where a build for CUDA finds a GPU's driver that fails.

    No driver and no GPU are no failure: such a machine is measured by its CPU. So is one whose
    GPUs were hidden. A driver whose kernel module is loaded has a GPU, even if it says that it has
    none: that one fell off the bus.
    """
    if torch.version.cuda is None or hides_every_gpu(os.environ.get(VARIABLE)):
        return
    torch_cuda: Any = torch.cuda  # `init` is untyped
    try:
        torch_cuda.init()
    except RuntimeError as error:
        absent = any(text in str(error) for text in _NO_GPU) and not _KERNEL_MODULE.exists()
        if not absent:
            raise

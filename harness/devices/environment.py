"""What a result depends on: processor, driver, versions, flags."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import torch

from harness.contract.records import Environment
from harness.devices import commands, cpu, presence, registry


def describe() -> Environment:
    """Read the environment of this process.

    Raises: RuntimeError, in torch's words, where there is a GPU that torch cannot use: measuring
    the CPU in its place would answer another question.
    """
    if not torch.cuda.is_available():
        presence.refuse_broken_driver()
    return Environment(
        device=registry.first().describe(),
        torch=torch.__version__,
        torch_cuda=torch.version.cuda,
        torch_arch_list=tuple(torch.cuda.get_arch_list()),
        triton=_version("triton"),
        transformers=_version("transformers") or "",
        numpy=_version("numpy") or "",
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu.name(),
        cpu_count=_usable_cpus(),
        torch_threads=torch.get_num_threads(),
        memory_bytes=_memory_bytes(),
        cxx_compiler=_cxx_compiler(),
        float32_matmul_precision=torch.get_float32_matmul_precision(),
        cudnn_allow_tf32=torch.backends.cudnn.allow_tf32 if torch.cuda.is_available() else None,
        cudnn_version=_cudnn_version(),
        in_container=Path("/.dockerenv").exists(),
    )


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


def _cudnn_version() -> int | None:
    """The version, such as 92400; None on a CPU, and where cuDNN refuses to say: torch raises where
    it has given up this architecture, as on Volta, which the supervisor tells in better words."""
    cudnn: Any = torch.backends.cudnn  # its functions are untyped
    try:
        return cudnn.version() if torch.cuda.is_available() else None
    except RuntimeError:
        return None


def _cxx_compiler() -> str | None:
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++")), None)
    return commands.first_line(compiler, "--version") if compiler else None


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

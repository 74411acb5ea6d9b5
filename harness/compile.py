"""Eager module -> compiled callable, and what the compiler counted while it worked.

The counts are the proof that compiled code ran: a call that silently fell back to eager has no
graph. Dynamo's counters are process-wide; one case has a process of its own, so they are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch._inductor.config
import torch._inductor.metrics
from torch._dynamo.utils import counters

from harness.records import CompileEvidence
from harness.vocabulary import MAX_LISTED_REASONS, Backend, Mode, Precision


class UnsupportedCaseError(Exception):
    """This device cannot do what the case asks for."""


def compiled(module: torch.nn.Module, mode: Mode, backend: Backend) -> Callable[..., Any]:
    """Wrap a module; compilation itself happens at its first call.

    Static shapes: each case has one batch size and a process of its own. The mode is Inductor's;
    other backends take none. For an A/A case the module stays as it is.
    """
    if mode == "eager":
        return module
    if backend == "inductor":
        return torch.compile(module, mode=mode, dynamic=False)
    return torch.compile(module, backend=backend, dynamic=False)


def set_precision(precision: Precision, device: torch.device) -> None:
    """Set how float32 arithmetic is done; the model's builder casts to the half precisions.

    `float32` leaves PyTorch's own defaults alone, as the published page did.
    Raises: UnsupportedCaseError: the device has no such arithmetic, or only emulates it.
    """
    if precision in ("ieee", "tf32"):
        _set_float32_arithmetic(precision, device)
    if precision == "bfloat16" and not _has_bfloat16(device):
        raise UnsupportedCaseError("this GPU only emulates bfloat16; its times would mislead")


@dataclass(frozen=True, slots=True)
class CompilationLog:
    """A mark in the process-wide counters: how many graphs there were when timing began."""

    graphs: int

    @classmethod
    def mark(cls) -> CompilationLog:
        return cls(_graphs())

    def recompiles_since(self) -> int:
        return _graphs() - self.graphs


def evidence(backend: Backend, recompiles_while_timing: int = 0) -> CompileEvidence:
    """Read the compiler's counters as they stand."""
    breaks: dict[str, int] = counters["graph_break"]
    return CompileEvidence(
        backend=backend,
        graphs=_graphs() - recompiles_while_timing,
        frames_compiled=counters["frames"]["ok"],
        kernels=(
            torch._inductor.metrics.generated_kernel_count if backend == "inductor" else None  # noqa: SLF001
        ),
        graph_breaks=sum(breaks.values()),
        graph_break_reasons=tuple(reason[:1000] for reason in list(breaks)[:MAX_LISTED_REASONS]),
        recompiles_while_timing=recompiles_while_timing,
        cuda_graph_skips=counters["inductor"]["cudagraph_skips"],
        compile_threads=torch._inductor.config.compile_threads,  # noqa: SLF001
    )


def _graphs() -> int:
    return counters["stats"]["unique_graphs"]


def _set_float32_arithmetic(precision: Precision, device: torch.device) -> None:
    if precision == "ieee" and device.type != "cuda":
        return  # what a CPU does anyway
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        raise UnsupportedCaseError("TF32 exists on NVIDIA GPUs of compute capability 8.0 and newer")
    backends: Any = torch.backends  # not all of its attributes are typed
    backends.cuda.matmul.fp32_precision = precision
    backends.cudnn.conv.fp32_precision = precision


def _has_bfloat16(device: torch.device) -> bool:
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)

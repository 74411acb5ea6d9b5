"""Eager module -> compiled callable, and what the compiler counted while it worked.

The counts are the proof that compiled code ran: a call that silently fell back to eager has no
graph. Dynamo's counters are process-wide; one case has a process of its own, so they are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch._inductor.config
from torch._dynamo.utils import counters, get_compilation_metrics

from harness.contract.recipes import Recipe
from harness.contract.records import CompileEvidence
from harness.contract.vocabulary import MAX_LISTED_REASONS, Precision
from harness.devices.compute_device import ComputeDevice

# With fewer, Inductor tries no GEMM templates (torch/_inductor/utils.py, is_big_gpu).
MULTIPROCESSORS_FOR_TEMPLATES: Final = 68
MAX_REASON_CHARACTERS: Final = 1000


class UnsupportedCaseError(Exception):
    """This device cannot do what the case asks for."""


def compiled(module: torch.nn.Module, recipe: Recipe) -> Callable[..., Any]:
    """Wrap a module; compilation itself happens at its first call.

    Static shapes: each case has one batch size and a process of its own.
    """
    if recipe.options is None:
        return module
    return torch.compile(module, dynamic=False, **recipe.options)


def require(recipe: Recipe, device: ComputeDevice) -> None:
    """Raises: UnsupportedCaseError: the device lacks what the recipe is made of."""
    if recipe.needs_cuda_graphs and not device.has_cuda_graphs:
        raise UnsupportedCaseError(
            f"{recipe.mode} needs a GPU: it does nothing but record CUDA graphs"
        )


def set_precision(precision: Precision, device: ComputeDevice) -> None:
    """Set how float32 arithmetic is done; the model's builder casts to the half precisions.

    `float32` leaves PyTorch's own defaults alone, as the published page did.
    Raises: UnsupportedCaseError: the device has no such arithmetic, or only emulates it.
    """
    if why := device.lacks(precision):
        raise UnsupportedCaseError(why)
    # Even where the device knows no other than IEEE's: flags that are read back later must say what
    # was asked for, and not that nobody asked.
    if precision in ("ieee", "tf32"):
        set_tf32(on=precision == "tf32")


@dataclass(frozen=True, slots=True)
class CompilationLog:
    """A mark in the process-wide counters: how many graphs there were when timing began."""

    graphs: int

    @classmethod
    def mark(cls) -> CompilationLog:
        return cls(_graphs())

    def recompiles_since(self) -> int:
        return _graphs() - self.graphs


def given_up() -> tuple[str, ...]:
    """A sentence if Dynamo gave up on frames of the model, which then run without compiled code.

    Above its limit of recompilations, or where a graph breaks within a loop, it says so in its log
    only; the graphs that it compiled before stay, so that nothing else gives it away.
    """
    frames = counters["frames"]
    if frames["total"] == frames["ok"]:
        return ()
    why = dict.fromkeys(map(_kind, counters["unimplemented"]))
    return (f"parts of the model run without compiled code: {'; '.join(why) or 'no reason given'}",)


def _kind(reason: str) -> str:
    """The first line of a reason; of one that came while another was handled, that of the last."""
    return reason.rpartition("***")[2].strip().partition("\n")[0]


def gates(recipe: Recipe, multiprocessors: int | None) -> tuple[str, ...]:
    """What Inductor leaves out of a recipe on a GPU of that size; None stands for a CPU."""
    if (
        not recipe.tunes
        or multiprocessors is None
        or multiprocessors >= MULTIPROCESSORS_FOR_TEMPLATES
    ):
        return ()
    return (
        f"max-autotune tries no GEMM templates here: {multiprocessors} multiprocessors, "
        f"{MULTIPROCESSORS_FOR_TEMPLATES} needed",
    )


def evidence(
    backend: str,
    *,
    kernels: int | None = None,
    cuda_graphs: int | None = None,
    cuda_graph_launches: float | None = None,
    cuda_graph_skip_reasons: Sequence[str] = (),
    gates: tuple[str, ...] = (),
) -> CompileEvidence:
    """Read the compiler's counters as they stand, and add what was gathered beside them."""
    breaks: dict[str, int] = counters["graph_break"]
    return CompileEvidence(
        backend=backend,
        graphs=_graphs(),
        frames_compiled=counters["frames"]["ok"],
        kernels=kernels,
        graph_breaks=sum(breaks.values()),
        graph_break_reasons=_listed(list(breaks)),
        recompile_reasons=_listed(_recompile_reasons()),
        cuda_graphs=cuda_graphs,
        cuda_graph_launches=cuda_graph_launches,
        cuda_graph_skips=counters["inductor"]["cudagraph_skips"],
        cuda_graph_skip_reasons=_listed(cuda_graph_skip_reasons),
        gates=gates,
        compile_threads=torch._inductor.config.compile_threads,  # noqa: SLF001
    )


def _listed(reasons: Sequence[str]) -> tuple[str, ...]:
    return tuple(reason[:MAX_REASON_CHARACTERS] for reason in reasons[:MAX_LISTED_REASONS])


def _recompile_reasons() -> list[str]:
    reasons = (metrics.recompile_reason for metrics in get_compilation_metrics())
    return list(dict.fromkeys(reason for reason in reasons if reason))


def _graphs() -> int:
    return counters["stats"]["unique_graphs"]


def set_tf32(*, on: bool) -> None:
    """Let both matrix products and convolutions in float32 use TF32, or neither.

    By torch's older flags and the newer one of cuDNN, in this order: Inductor reads both kinds
    while it tunes (torch/_inductor/kernel/conv.py), and the older flags alone leave the newer ones
    at "none". torch raises where the two contradict each other; set like this they do not.
    """
    backends: Any = torch.backends  # not all of its attributes are typed
    torch.set_float32_matmul_precision("high" if on else "highest")
    backends.cudnn.allow_tf32 = on
    backends.cudnn.fp32_precision = "tf32" if on else "ieee"

"""What a row's record says besides its times: the evidence beside a number (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.contract.records import CompileEvidence
from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.compare.measured import Measured
from orchestrator.page import fields
from orchestrator.wording import NOTHING


def of_row(row: Row) -> tuple[str, ...]:
    """One text per name in NAMES; a dash where a row has no measurement or it does not say."""
    found = row.measurement
    if found is None:
        return (NOTHING,) * len(NAMES)
    return (_limit(row), *(read(found) or NOTHING for read in _READ.values()))


def _limit(row: Row) -> str:
    """What limits the case: the host that launches, or the GPU."""
    limit = fields.why(row)[0]
    if limit.text == NOTHING:
        return "not measured: the records lack the device's busy time"
    return f"{limit.text}, {limit.small}" if limit.small else limit.text


def _warm_up(found: Measured) -> str:
    calls = [variant.calls for variant in (found.eager, found.compiled)]
    unsettled = [
        name
        for name, variant in (("eager", found.eager), ("compiled", found.compiled))
        if not variant.stable
    ]
    words = "settled" if not unsettled else f"{wording.listed(unsettled)} had not settled"
    return f"{wording.count(calls[0])} eager and {wording.count(calls[1])} compiled calls; {words}"


def _compiler(found: Measured) -> str:
    evidence = found.compile_evidence
    if evidence is None:
        return NOTHING
    parts = [
        f"backend {evidence.backend}",
        wording.many(evidence.graphs, "graph"),
        wording.many(evidence.frames_compiled, "frame") + " compiled",
    ]
    if evidence.kernels is not None:
        parts.append(wording.many(evidence.kernels, "kernel"))
    parts.append(f"{wording.count(evidence.recompiles_while_timing)} recompiled while timing")
    return ", ".join([*parts, *cuda_graphs(evidence)])


def cuda_graphs(evidence: CompileEvidence) -> tuple[str, ...]:
    """What is known of CUDA graphs; nothing where the mode asks for none."""
    parts = []
    if evidence.cuda_graphs == 0:
        parts.append("no CUDA graph recorded")
    elif evidence.cuda_graphs is not None:
        parts.append(f"{wording.many(evidence.cuda_graphs, 'CUDA graph')} recorded")
    if evidence.cuda_graph_launches is not None:
        parts.append(f"{wording.significant(evidence.cuda_graph_launches)} launched per call")
    if evidence.cuda_graph_skips:
        parts.append(f"CUDA graphs skipped {wording.count(evidence.cuda_graph_skips)}×")
    return tuple(parts)


def _graph_breaks(found: Measured) -> str:
    return "; ".join(found.compile_evidence.graph_break_reasons) if found.compile_evidence else ""


def _agreement(found: Measured) -> str:
    agreement = found.agreement
    return (
        f"relative error {agreement.relative_error:.1e} against {agreement.reference}, at most "
        f"{agreement.tolerance:.0e} allowed; worst of {wording.many(agreement.tensors, 'tensor')}: "
        f"{wording.one_line(agreement.worst_tensor)}"
    )


def _model(found: Measured) -> str:
    facts = found.facts
    parts = [facts.architecture, f"{wording.count(facts.parameters)} parameters", facts.dtype]
    parts += [f"attention {facts.attention}"] if facts.attention else []
    parts += [f"revision {facts.revision}"] if facts.revision else []
    return ", ".join(parts)


def _inputs(found: Measured) -> str:
    shapes = found.facts.inputs.items()
    return ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes)


_READ: Final[dict[str, Callable[[Measured], str]]] = {
    "Compiler": _compiler,
    "Graph breaks": _graph_breaks,
    "Notes": lambda m: "; ".join(map(wording.one_line, m.notes)),
    "Agreement": _agreement,
    "Warm-up": _warm_up,
    "First calls": lambda m: (
        f"{wording.seconds(m.eager.first_call_s)} eager, "
        f"{wording.seconds(m.compiled.first_call_s)} compiled"
    ),
    "Model": _model,
    "Inputs": _inputs,
    "Harness overhead": lambda m: f"{wording.milliseconds(m.overhead_s)} per call",
}
NAMES: Final = ("Limited by", *_READ)

"""What proves a number: agreement, graphs, what was published, and what a record says besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.contract.records import CompileEvidence
from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.compare.measured import Measured
from orchestrator.page.metrics.metric import (
    UNKNOWN,
    DialogLine,
    Field,
    Metric,
    Reader,
    TableColumn,
    change,
    of_measurement,
)
from orchestrator.wording import NOTHING

_MS: Final = wording.milliseconds


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


def _first_calls(found: Measured) -> str:
    eager, compiled = (wording.seconds(one.first_call_s) for one in (found.eager, found.compiled))
    return f"{eager} eager, {compiled} compiled"


def _model(found: Measured) -> str:
    facts = found.facts
    parts = [facts.architecture, f"{wording.count(facts.parameters)} parameters", facts.dtype]
    parts += [f"attention {facts.attention}"] if facts.attention else []
    parts += [f"revision {facts.revision}"] if facts.revision else []
    return ", ".join(parts)


def _inputs(found: Measured) -> str:
    shapes = found.facts.inputs.items()
    return ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes)


def _published(row: Row) -> Field:
    """A case without times may still have published ones."""
    found = row.published
    means = row.published_means
    if found is None:
        return UNKNOWN
    if means is None:
        return Field("OOM")
    return Field(change(means[0] * 1000, means[1] * 1000, f"ms, torch {found.torch}"))


def _of_published(name: str) -> Reader:
    return lambda row: None if row.published is None else getattr(row.published, name)


def _error(row: Row) -> Field:
    """Below it what is allowed, and what a caller makes of the numbers."""
    if row.measurement is None:
        return UNKNOWN
    agreement = row.measurement.agreement
    parts = [f"≤ {agreement.tolerance:.0e}"]
    if agreement.top1_agrees is not None:
        parts.append("same classes" if agreement.top1_agrees else "classes differ")
    if agreement.mask_iou is not None:
        parts.append(f"mask IoU {agreement.mask_iou:.3f}")
    return Field(f"{agreement.relative_error:.1e}", "; ".join(parts))


def _graphs(row: Row) -> Field:
    if row.measurement is None:
        return UNKNOWN
    evidence = row.measurement.compile_evidence
    assert evidence is not None, "A/A cases are no rows"
    breaks = wording.many(evidence.graph_breaks, "break") if evidence.graph_breaks else "no break"
    return Field(wording.count(evidence.graphs), "; ".join([breaks, *cuda_graphs(evidence)]))


def _in_dialog(title: str, write: Callable[[Measured], str]) -> Metric:
    """What the dialog alone tells, of a case that was measured."""

    def of_row(row: Row) -> str:
        return NOTHING if row.measurement is None else write(row.measurement) or NOTHING

    return Metric(dialog=DialogLine(title, of_row))


METRICS: Final = (
    Metric(
        {
            "published_torch": _of_published("torch"),
            "published_eager_s": _of_published("eager_s"),
            "published_compiled_s": _of_published("compiled_s"),
        },
        TableColumn(
            "Published in 2023",
            "published_compiled_s",
            _published,
            "eager → compiled",
            without_times=True,
        ),
    ),
    Metric(
        {
            "relative_error": of_measurement("agreement", "relative_error"),
            "tolerance": of_measurement("agreement", "tolerance"),
        },
        TableColumn("Agreement error", "relative_error", _error, "relative; tolerance below"),
    ),
    Metric(
        {
            "graphs": of_measurement("compile_evidence", "graphs"),
            "graph_breaks": of_measurement("compile_evidence", "graph_breaks"),
        },
        TableColumn("Graphs", "graphs", _graphs, "graph breaks below"),
    ),
    _in_dialog("Compiler", _compiler),
    _in_dialog("Graph breaks", _graph_breaks),
    _in_dialog("Notes", lambda found: "; ".join(map(wording.one_line, found.notes))),
    _in_dialog("Agreement", _agreement),
    _in_dialog("Warm-up", _warm_up),
    _in_dialog("First calls", _first_calls),
    _in_dialog("Model", _model),
    _in_dialog("Inputs", _inputs),
    _in_dialog("Harness overhead", lambda found: f"{_MS(found.overhead_s)} per call"),
)

"""A comparison -> the table of all results (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Comparison, Row
from orchestrator.page import fields
from orchestrator.page.charts import published_means
from orchestrator.page.evidence import cuda_graphs
from orchestrator.page.fields import Field
from orchestrator.page.naming import host_name
from orchestrator.statistics.statistics import Estimate, Summary
from orchestrator.wording import NOTHING


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the results; `key` names the exported column that it sorts by."""

    title: str
    key: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A line of the results: the case in words, then a field per value column."""

    index: int
    row: Row
    case: tuple[str, ...]
    verdict: Field
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """The table of all results. Columns that would be empty or the same in every line are left
    out, except for model, batch and verdict."""

    case_columns: tuple[Column, ...]
    value_columns: tuple[Column, ...]
    lines: tuple[ResultLine, ...]


_CASE: Final = (
    Column("Host", "host"),
    Column("Mode", "mode"),
    Column("Precision", "precision"),
    Column("Batch", "batch_size"),
)
VALUE_COLUMNS: Final = (
    Column("Speed-up", "speed_up", "eager ÷ compiled"),
    Column("Time saved", "time_saved", "share of eager time"),
    Column("Eager mean", "eager_mean_s", "per call"),
    Column("Compiled mean", "compiled_mean_s", "per call"),
    Column("Median", "compiled_median_s", "eager → compiled"),
    Column("p5 to p95, eager", "eager_p95_s"),
    Column("p5 to p95, compiled", "compiled_p95_s"),
    Column("Compile time", "compile_s", "first call, empty caches"),
    Column("Break-even", "break_even_inferences", "inferences"),
    Column("Cost per million images", "compiled_usd_per_million_images", "USD, eager → compiled"),
    Column("Bound by", "compiled_bound", "eager → compiled"),
    Column("Images per second", "compiled_images_per_s", "eager → compiled"),
    Column("Utilisation", "compiled_utilisation", "of the peak, eager → compiled"),
    Column("Energy per image", "compiled_joules_per_image", "eager → compiled"),
    Column("Peak memory", "compiled_peak_memory_bytes", "eager → compiled"),
    Column("Published in 2023", "published_compiled_s", "eager → compiled"),
    Column("Agreement error", "relative_error", "relative; tolerance below"),
    Column("Graphs", "graphs", "graph breaks below"),
    Column("Calls", "calls_per_variant", "per variant"),
    Column("Adjusted p", "p_value_adjusted", "over the whole page"),
)


def results(comparison: Comparison) -> Results:
    """One line per case and host, in the order of the run."""
    rows = comparison.rows
    names = {host.host: host_name(host, comparison.hosts) for host in comparison.hosts}
    cases = [_case(row, names) for row in rows]
    fields = [_fields(row) for row in rows]
    shown = [
        place
        for place, column in enumerate(_CASE)
        if column.key == "batch_size" or len({case[place] for case in cases}) > 1
    ]
    filled = [
        place
        for place in range(len(VALUE_COLUMNS))
        if any(line[place].text not in {"", NOTHING} for line in fields)
    ]
    lines = tuple(
        ResultLine(
            index,
            row,
            tuple(cases[index][place] for place in shown),
            _verdict(row),
            tuple(fields[index][place] for place in filled),
        )
        for index, row in enumerate(rows)
    )
    return Results(
        tuple(_CASE[place] for place in shown),
        tuple(VALUE_COLUMNS[place] for place in filled),
        lines,
    )


def _case(row: Row, names: Mapping[str, str]) -> tuple[str, ...]:
    """The case in words, in the order of _CASE."""
    case = row.case
    return names.get(row.host, row.host), case.mode, case.precision, str(case.batch_size)


def _verdict(row: Row) -> Field:
    notes = [wording.reason(row.problem.reason)] if row.verdict == "failed" and row.problem else []
    notes += [row.note] if row.note else []
    return Field(f"{wording.SYMBOLS[row.verdict]} {row.verdict}", "; ".join(notes))


def _fields(row: Row) -> tuple[Field, ...]:
    if row.eager is None or row.compiled is None or row.speed_up is None or row.time_saved is None:
        # A case without times may still have published ones.
        return tuple(
            Field(_published(row) if column.key == "published_compiled_s" else "")
            for column in VALUE_COLUMNS
        )
    bound_by, utilisation, energy = fields.why(row)
    return (
        _estimate(row.speed_up, wording.speed_up),
        _estimate(row.time_saved, wording.percent),
        _estimate(row.eager.mean, wording.milliseconds),
        _estimate(row.compiled.mean, wording.milliseconds),
        *_spread(row, row.eager, row.compiled),
        *fields.compile_cost(row),
        Field(_cost(row)),
        bound_by,
        Field(_throughput(row)),
        utilisation,
        energy,
        *_evidence(row),
        *fields.certainty(row),
    )


def _estimate(estimate: Estimate, write: Callable[[float], str]) -> Field:
    return Field(write(estimate.value), wording.interval(estimate, write))


def _spread(row: Row, eager: Summary, compiled: Summary) -> tuple[Field, ...]:
    if row.mean_only:
        return (Field(NOTHING),) * 3
    return (
        Field(_change(eager.median_s * 1000, compiled.median_s * 1000, "ms")),
        Field(f"{wording.significant(eager.p5_s * 1000)} to {wording.milliseconds(eager.p95_s)}"),
        Field(
            f"{wording.significant(compiled.p5_s * 1000)} to {wording.milliseconds(compiled.p95_s)}"
        ),
    )


def _throughput(row: Row) -> str:
    assert row.throughput is not None
    return _change(*row.throughput, "/s")


def _cost(row: Row) -> str:
    costs = row.cost_per_million_images
    return NOTHING if costs is None else " → ".join(map(wording.significant, costs))


def _evidence(row: Row) -> tuple[Field, ...]:
    """Peak memory, published figure, agreement error, graphs."""
    found = row.measurement
    published = Field(_published(row))
    if found is None:
        return Field(NOTHING), published, Field(NOTHING), Field(NOTHING)
    before, after = found.eager_peak_memory_bytes, found.compiled_peak_memory_bytes
    memory = NOTHING
    if before is not None and after is not None:
        memory = f"{wording.data_size(before)} → {wording.data_size(after)}"
    agreement, evidence = found.agreement, found.compile_evidence
    assert evidence is not None, "A/A cases are no rows"
    breaks = wording.many(evidence.graph_breaks, "break") if evidence.graph_breaks else "no break"
    graphs = [breaks, *cuda_graphs(evidence)]
    process = found.eager_process_memory_bytes, found.compiled_process_memory_bytes
    return (
        Field(memory, fields.process_memory(*process)),
        published,
        Field(f"{agreement.relative_error:.1e}", fields.agreement(agreement)),
        Field(wording.count(evidence.graphs), "; ".join(graphs)),
    )


def _published(row: Row) -> str:
    found = row.published
    means = published_means(row)
    if found is None:
        return NOTHING
    if means is None:
        return "OOM"
    return _change(means[0] * 1000, means[1] * 1000, f"ms, torch {found.torch}")


def _change(before: float, after: float, unit: str) -> str:
    return f"{wording.significant(before)} → {wording.significant(after)} {unit}"

"""A comparison -> the page's two big tables: all results, and the environments (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.records import Environment
from orchestrator import wording
from orchestrator.compare.comparison import Comparison, HostSummary, Row
from orchestrator.page import conditions, fields
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


@dataclass(frozen=True, slots=True)
class EnvironmentLine:
    """One fact about all hosts; `differs` where they do not agree. `recorded` says of each whether
    it told the fact at all: no Triton is a fact, too. `is_noise`: every run measures it anew."""

    name: str
    values: tuple[str, ...]
    differs: bool
    recorded: tuple[bool, ...]
    is_noise: bool = False


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


def environment_lines(hosts: Sequence[HostSummary]) -> tuple[EnvironmentLine, ...]:
    """Facts about the hosts, those that differ first; a host that never started has none."""
    started = [host.environment is not None for host in hosts]
    lines = [
        _environment_line(name, [_value(host, read) for host in hosts], started)
        for name, read in _ENVIRONMENT.items()
    ]
    lines.append(
        _environment_line("Harness revision", [h.harness_revision or NOTHING for h in hosts])
    )
    lines.append(_environment_line("Picture", [h.picture or NOTHING for h in hosts]))
    for name, read in _CONDITIONS.items():
        line = _environment_line(name, [read(host) or NOTHING for host in hosts])
        # Of a run's hosts nothing that their results must agree in.
        lines.append(replace(line, differs=False, is_noise=name in _NOISE))
    known = [line for line in lines if set(line.values) != {NOTHING}]
    return tuple(sorted(known, key=lambda line: not line.differs))


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


def _environment_line(
    name: str, values: Sequence[str], recorded: Sequence[bool] = ()
) -> EnvironmentLine:
    known = [value for value in values if value != NOTHING]
    told = tuple(recorded) or tuple(value != NOTHING for value in values)
    return EnvironmentLine(name, tuple(values), len(set(known)) > 1, told)


def _value(host: HostSummary, read: Callable[[Environment], object]) -> str:
    value = None if host.environment is None else read(host.environment)
    match value:
        case None | "" | ():
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)


def _memory(size_bytes: int | None) -> str | None:
    return None if size_bytes is None else wording.data_size(size_bytes)


_CONDITIONS: Final[dict[str, Callable[[HostSummary], str]]] = {
    "Noise floor": conditions.noise_floor,
    "A/A cases, 95 % intervals": conditions.noise_cases,
    "Float arithmetic, read back": conditions.arithmetic,
    "Why there is no telemetry": conditions.telemetry_notes,
}
_NOISE: Final = ("Noise floor", "A/A cases, 95 % intervals")
_ENVIRONMENT: Final[dict[str, Callable[[Environment], object]]] = {
    "GPU or CPU": lambda e: e.device.name,
    "PyTorch": lambda e: e.torch,
    "CUDA of PyTorch": lambda e: e.torch_cuda,
    "Triton": lambda e: e.triton,
    "Driver": lambda e: e.device.driver,
    "cuDNN": lambda e: e.cudnn_version,
    "Compute capability": lambda e: e.device.capability,
    "Multiprocessors": lambda e: e.device.multiprocessors,
    "GPU memory": lambda e: _memory(e.device.memory_bytes),
    "Transformers": lambda e: e.transformers,
    "NumPy": lambda e: e.numpy,
    "Python": lambda e: e.python,
    "Platform": lambda e: e.platform,
    "CPU": lambda e: e.cpu,
    "CPU cores": lambda e: e.cpu_count,
    "Memory": lambda e: _memory(e.memory_bytes),
    "PyTorch threads": lambda e: e.torch_threads,
    "C++ compiler": lambda e: e.cxx_compiler,
    "float32 matrix products": lambda e: e.float32_matmul_precision,
    "TF32 in cuDNN": lambda e: e.cudnn_allow_tf32,
    "In a container": lambda e: e.in_container,
    "Architectures in PyTorch": lambda e: e.torch_arch_list,
}

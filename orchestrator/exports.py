"""A comparison as CSV, as JSON and in the published page's own Markdown layout (pure).

The columns are an interface: names carry their units, and a name is never given a new meaning.
Nothing is rounded, nothing is NaN, and what a case lacks is empty (CSV) or null (JSON).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from orchestrator import wording
from orchestrator.answer import answer, host_name, judge
from orchestrator.comparison import Comparison, HostSummary, Row
from orchestrator.statistics import Estimate, Summary

Scalar: TypeAlias = str | int | float | bool | None

# History of the JSON export.
#   1  first version
EXPORT_VERSION: Final = 1
FORMAT: Final = "torch-compile-vision-benchmark"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

ABOUT: Final = (
    "One row per case and host. Fields ending in _s are seconds per call, _bytes bytes, "
    "_images_per_s images per second, _usd_per_million_images US dollars by the host's hourly "
    "price (null where none was given); speed_up is eager mean divided by compiled mean; "
    "time_saved is a share of eager time, 0.25 for 25 %; _low and _high bound a 95 % interval. "
    "break_even_inferences is null where compiling is never paid back (pays_back is false) or "
    "where there was nothing to compare (pays_back is null); so is its upper bound where the "
    "interval reaches never. p_value_adjusted is for all rows together (Benjamini-Hochberg); "
    "threshold is the larger of 0.02 and the host's noise_floor, eager against eager."
)


def to_csv(comparison: Comparison) -> str:
    """All rows with a header, commas and CRLF (RFC 4180); text is safe to open in a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in comparison.rows:
        writer.writerow([_csv_cell(value) for value in values_of(row)])
    return buffer.getvalue()


def to_json(comparison: Comparison) -> str:
    """Everything as one JSON object: format, version, about, run, hosts, rows."""
    content = header(comparison) | {
        "rows": [dict(zip(COLUMNS, values_of(row), strict=True)) for row in comparison.rows]
    }
    return json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1) + "\n"


def to_markdown(comparison: Comparison) -> str:
    """Tables per GPU and batch size, in the layout of the published page; times in milliseconds."""
    return "\n".join(
        "\n".join(_markdown_table(comparison, host, setting, rows))
        for host in comparison.hosts
        for setting, rows in _by_setting(host.rows).items()
    )


def header(comparison: Comparison) -> dict[str, object]:
    """What the JSON export says before its rows."""
    run, found = comparison.run, answer(comparison)
    return {
        "format": FORMAT,
        "version": EXPORT_VERSION,
        "about": ABOUT,
        "run": {
            "run_id": wording.redacted(run.run_id),
            "created": wording.redacted(run.created),
            "command": wording.redacted(run.command),
            "plan_id": None if run.plan is None else run.plan.plan_id,
            "weights": None if run.plan is None else run.plan.weights,
            "size": None if run.plan is None else run.plan.size,
            "backend": None if run.plan is None else run.plan.backend,
            "answer": wording.redacted(found.headline),
            "answer_in_detail": wording.redacted(found.sentence),
        },
        "hosts": [_host(host) for host in comparison.hosts],
    }


def values_of(row: Row) -> list[Scalar]:
    """One row, in the order of COLUMNS; strings are free of control characters."""
    values = (read(row) for read in COLUMNS.values())
    return [wording.redacted(value) if isinstance(value, str) else value for value in values]


def _host(host: HostSummary) -> dict[str, Scalar]:
    environment = host.environment
    return {
        "host": wording.redacted(host.host),
        "gpu": wording.redacted(host.gpu),
        "ending": host.ending,
        "judgement": judge(host).words,
        "geometric_mean_speed_up": host.geometric_mean,
        "median_break_even_inferences": host.median_break_even,
        "torch": None if environment is None else wording.redacted(environment.torch),
        "driver": _redacted(None if environment is None else environment.device.driver),
        "price_per_hour_usd": host.price_per_hour,
        "noise_floor": None if host.noise is None else host.noise.band,
        "threshold": None if environment is None else host.threshold,
        "noisy": None if host.noise is None else host.noise.doubt != "",
    }


def _redacted(text: str | None) -> str | None:
    return None if text is None else wording.redacted(text)


def _csv_cell(value: Scalar) -> Scalar:
    """Keep a spreadsheet from running what a host called itself (CWE-1236)."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return str(value).lower() if isinstance(value, bool) else value


_Setting: TypeAlias = tuple[int, str, str]


def _by_setting(rows: Iterable[Row]) -> dict[_Setting, list[Row]]:
    found: dict[_Setting, list[Row]] = {}
    for row in rows:
        setting = (row.case.batch_size, row.case.mode, row.case.precision)
        found.setdefault(setting, []).append(row)
    return found


def _markdown_table(
    comparison: Comparison, host: HostSummary, setting: _Setting, rows: Iterable[Row]
) -> Iterable[str]:
    batch_size, mode, precision = setting
    gpu = wording.device(host.gpu) if comparison.is_published else host_name(host, comparison.hosts)
    torch = _escaped(_torch(host))
    words = [f"batch size: {batch_size}"]
    words += [] if mode == "default" else [mode]
    words += [] if precision == "float32" else [precision]
    yield f"### {_escaped(gpu)} ({', '.join(words)})"
    yield ""
    yield f"| Task/Model | torch {torch} - no compile | torch {torch} - compile |"
    yield "|:---:|:---:|:---:|"
    for row in rows:
        yield f"| {_task_and_model(row)} | {_time(row, row.eager)} | {_time(row, row.compiled)} |"
    yield ""


def _torch(host: HostSummary) -> str:
    if host.environment is not None:
        return host.environment.torch
    _, found, release = host.host.rpartition("torch ")
    return release if found else "?"


def _task_and_model(row: Row) -> str:
    task = (row.task or "").replace("-", " ").title()
    return _escaped(f"{task}/{row.label}" if task else row.label)


def _time(row: Row, summary: Summary | None) -> str:
    if summary is None:
        return _escaped(wording.reason(row.problem.reason) if row.problem else wording.NOTHING)
    return f"{summary.mean.value * 1000:.3f}"


def _escaped(text: str) -> str:
    """One line of Markdown in which nothing is markup: no cell, tag, link or emphasis."""
    line = wording.one_line(wording.redacted(text))
    for character in "\\|<>[]`*_":
        line = line.replace(character, f"\\{character}")
    return line


def _low(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.low


def _high(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.high


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _of_variant(name: str, pick: Callable[[Row], Summary | None]) -> dict[str, Reader]:
    def read(of_summary: Callable[[Summary], float | None], *, raw: bool = False) -> Reader:
        def of_row(row: Row) -> Scalar:
            summary = pick(row)
            return None if summary is None or (raw and row.mean_only) else of_summary(summary)

        return of_row

    return {
        f"{name}_mean_s": read(lambda summary: summary.mean.value),
        f"{name}_mean_low_s": read(lambda summary: summary.mean.low),
        f"{name}_mean_high_s": read(lambda summary: summary.mean.high),
        f"{name}_median_s": read(lambda summary: summary.median_s, raw=True),
        f"{name}_p5_s": read(lambda summary: summary.p5_s, raw=True),
        f"{name}_p95_s": read(lambda summary: summary.p95_s, raw=True),
    }


def _of_measurement(*path: str) -> Reader:
    def read(row: Row) -> Scalar:
        found: object = row.measurement
        for name in path:
            found = None if found is None else getattr(found, name)
        assert found is None or isinstance(found, str | int | float)
        return found

    return read


def _of_facts(name: str) -> dict[str, Reader]:
    """What is known of each variant beside its wall times, a column each."""
    fields = {
        "device_median_s": "device_s",
        "enqueue_median_s": "enqueue_s",
        "busy_median_s": "busy_s",
        "bound": "bound",
        "utilisation": "utilisation",
        "joules_per_image": "joules_per_image",
        "sm_clock_mhz": "sm_clock_mhz",
    }

    def read(field: str) -> Reader:
        return lambda row: getattr(getattr(row.facts, name), field) if row.facts else None

    return {f"{name}_{column}": read(field) for column, field in fields.items()}


def _break_even_bound(place: int) -> Reader:
    def of_row(row: Row) -> Scalar:
        interval = row.break_even.interval if row.break_even else None
        return None if interval is None else interval[place]

    return of_row


def _of_problem(name: str) -> Reader:
    return lambda row: None if row.problem is None else getattr(row.problem, name)


def _of_published(name: str) -> Reader:
    return lambda row: None if row.published is None else getattr(row.published, name)


def _cost(row: Row, variant: int) -> float | None:
    costs = row.cost_per_million_images
    return None if costs is None else costs[variant]


Reader: TypeAlias = Callable[[Row], Scalar]

COLUMNS: Final[dict[str, Reader]] = {
    "host": lambda row: row.host,
    "gpu": lambda row: row.gpu,
    "model": lambda row: row.case.model,
    "label": lambda row: row.label,
    "task": lambda row: row.task,
    "mode": lambda row: row.case.mode,
    "precision": lambda row: row.case.precision,
    "batch_size": lambda row: row.case.batch_size,
    "verdict": lambda row: row.verdict,
    **_of_variant("eager", lambda row: row.eager),
    **_of_variant("compiled", lambda row: row.compiled),
    "calls_per_variant": lambda row: row.eager.calls if row.eager else None,
    "speed_up": lambda row: _value(row.speed_up),
    "speed_up_low": lambda row: _low(row.speed_up),
    "speed_up_high": lambda row: _high(row.speed_up),
    "time_saved": lambda row: _value(row.time_saved),
    "time_saved_low": lambda row: _low(row.time_saved),
    "time_saved_high": lambda row: _high(row.time_saved),
    "compile_s": lambda row: row.compile_s,
    "break_even_inferences": lambda row: row.break_even.inferences if row.break_even else None,
    "pays_back": lambda row: row.break_even.inferences is not None if row.break_even else None,
    "eager_images_per_s": lambda row: row.throughput[0] if row.throughput else None,
    "compiled_images_per_s": lambda row: row.throughput[1] if row.throughput else None,
    "eager_peak_memory_bytes": _of_measurement("eager_peak_memory_bytes"),
    "compiled_peak_memory_bytes": _of_measurement("compiled_peak_memory_bytes"),
    "relative_error": _of_measurement("agreement", "relative_error"),
    "tolerance": _of_measurement("agreement", "tolerance"),
    "graphs": _of_measurement("compile_evidence", "graphs"),
    "graph_breaks": _of_measurement("compile_evidence", "graph_breaks"),
    "published_torch": _of_published("torch"),
    "published_eager_s": _of_published("eager_s"),
    "published_compiled_s": _of_published("compiled_s"),
    "failure_reason": _of_problem("reason"),
    "failure_stage": _of_problem("stage"),
    "failure_message": _of_problem("message"),
    "note": lambda row: row.note,
    "eager_usd_per_million_images": lambda row: _cost(row, 0),
    "compiled_usd_per_million_images": lambda row: _cost(row, 1),
    "p_value": lambda row: row.speed_up.p_value if row.speed_up else None,
    "p_value_adjusted": lambda row: row.adjusted_p,
    "threshold": lambda row: row.threshold,
    "break_even_low_inferences": _break_even_bound(0),
    "break_even_high_inferences": _break_even_bound(1),
    "warm_first_call_s": _of_measurement("warm_first_call_s"),
    "warm_break_even_inferences": lambda row: (
        row.warm_break_even.inferences if row.warm_break_even else None
    ),
    **_of_facts("eager"),
    **_of_facts("compiled"),
    "flops_per_image": _of_measurement("facts", "flops_per_image"),
    "eager_process_memory_bytes": _of_measurement("eager_process_memory_bytes"),
    "compiled_process_memory_bytes": _of_measurement("compiled_process_memory_bytes"),
    "retaken_blocks": lambda row: row.facts.retaken if row.facts else None,
    "stopped_early": _of_measurement("stopped_early"),
}

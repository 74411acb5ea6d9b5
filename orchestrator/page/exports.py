"""A comparison as CSV, as JSON and in the published page's own Markdown layout (pure).

The columns are an interface: names carry their units, and a name is never given a new meaning.
Nothing is rounded, nothing is NaN, and what a case lacks is empty (CSV) or null (JSON).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from harness.contract.records import Environment
from orchestrator import wording
from orchestrator.compare.comparison import Comparison, HostSummary, Row
from orchestrator.compare.rehearsal import LABEL
from orchestrator.compare.spread import Spread
from orchestrator.page.answer import answer
from orchestrator.page.judgement import judge
from orchestrator.page.metrics import COLUMNS, Reader, Scalar
from orchestrator.page.naming import host_name
from orchestrator.statistics.statistics import Summary

# History of the JSON export.
#   1  first version
EXPORT_VERSION: Final = 1
FORMAT: Final = "torch-compile-vision-benchmark"
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")  # and their wide forms

ABOUT: Final = (
    "One row per case and host. Fields ending in _s are seconds per call, _bytes bytes, "
    "_images_per_s images per second, _usd_per_million_images US dollars by the host's hourly "
    "price (null where none was given); speed_up is eager mean divided by compiled mean; "
    "time_saved is a share of eager time, 0.25 for 25 %, memory_saved one of eager peak memory; "
    "_low and _high bound a 95 % interval. "
    "break_even_inferences is null where compiling is never paid back (pays_back is false) or "
    "where there was nothing to compare (pays_back is null); so is its upper bound where the "
    "interval reaches never. p_value_adjusted is for all rows together (Benjamini-Hochberg); "
    "threshold is the larger of 0.02 and the host's noise_floor, eager against eager. "
    "control_case was measured on control_gpus GPUs of a pool at once and on one alone; the fields "
    "after it are the shares by which its mean eager times and speed-ups differed."
)


def to_csv(comparison: Comparison) -> str:
    """All rows with a header, commas and CRLF (RFC 4180); text is safe to open in a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    columns = columns_of(comparison)
    writer.writerow(columns)
    for row in comparison.rows:
        writer.writerow([_csv_cell(value) for value in values_of(row, columns)])
    return buffer.getvalue()


def to_json(comparison: Comparison) -> str:
    """Everything as one JSON object: format, version, about, run, hosts, rows."""
    columns = columns_of(comparison)
    rows = ",".join(f"\n  {_json_row(row, columns)}" for row in comparison.rows)
    start = _dumps(header(comparison)).removesuffix("\n}")
    end = "\n ]" if rows else "]"
    return f'{start},\n "rows": [{rows}{end}\n}}\n'


def _json_row(row: Row, columns: Mapping[str, Reader]) -> str:
    """One row, as far in as it stands. Of all rows at once the encoder would hold every piece."""
    named = dict(zip(columns, values_of(row, columns), strict=True))
    return _dumps(named).replace("\n", "\n  ")


def _dumps(content: object) -> str:
    return json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1)


def to_markdown(comparison: Comparison) -> str:
    """Tables per GPU and batch size, in the layout of the published page; times in milliseconds."""
    tables = [
        "\n".join(_markdown_table(comparison, host, setting, rows))
        for host in comparison.hosts
        for setting, rows in _by_setting(host.rows).items()
    ]
    why = _escaped(comparison.rehearsal)
    return "\n".join([*([f"**{LABEL}: {why}.**\n"] if why else []), *tables])


def header(comparison: Comparison) -> dict[str, object]:
    """What the JSON export says before its rows."""
    run, found, why = comparison.run, answer(comparison), comparison.rehearsal
    return {
        "format": FORMAT,
        "version": EXPORT_VERSION,
        "about": f"{LABEL}: {why}. {ABOUT}" if why else ABOUT,
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
            **({"rehearsal": why} if why else {}),
        },
        "hosts": [_host(host) for host in comparison.hosts],
    }


def columns_of(comparison: Comparison) -> Mapping[str, Reader]:
    """The columns of a run's exports. A rehearsal has one more, which says so in every row: rows
    are copied from one table to another."""
    why = comparison.rehearsal
    return {**COLUMNS, "rehearsal": lambda _: why} if why else COLUMNS


def values_of(row: Row, columns: Mapping[str, Reader] = COLUMNS) -> list[Scalar]:
    """One row, in the order of the columns; strings are free of control characters."""
    values = (read(row) for read in columns.values())
    return [wording.redacted(value) if isinstance(value, str) else value for value in values]


def _host(host: HostSummary) -> dict[str, Scalar]:
    environment = host.environment
    return {
        "host": wording.redacted(host.host),
        "gpu": wording.redacted(host.gpu) or None,
        "ending": host.ending,
        "judgement": judge(host).words,
        "geometric_mean_speed_up": host.geometric_mean,
        "median_break_even_inferences": host.median_break_even,
        "torch": None if environment is None else wording.redacted(environment.torch),
        "driver": _redacted(None if environment is None else environment.device.driver),
        "price_per_hour_usd": host.price_per_hour,
        "noise_floor": None if host.noise is None else host.noise.band,
        "threshold": None if environment is None else host.threshold,
        "gpus": host.workers or None,
        **_spread(host.spread),
        "noisy": None if host.noise is None else host.noise.doubt != "",
        **_process_start(environment),
    }


def _process_start(environment: Environment | None) -> dict[str, Scalar]:
    """How case processes began, where that was recorded."""
    begun = None if environment is None else environment.process_start
    return {} if begun is None else {"process_start": begun}


def _spread(found: Spread | None) -> dict[str, Scalar]:
    """How far the workers of a pool agree, as shares."""
    between, alone = (None, None) if found is None else (found.between, found.alone)
    return {
        "control_case": None if found is None else wording.redacted(found.case.case_id),
        "control_gpus": None if found is None else found.cards,
        "eager_between_gpus": None if between is None else between.eager,
        "speed_up_between_gpus": None if between is None else between.speed_up,
        "eager_alone": None if alone is None else alone.eager,
        "speed_up_alone": None if alone is None else alone.speed_up,
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

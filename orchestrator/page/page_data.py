"""What the page's script reads: one inert block of data (pure).

Two lines: JSON, and the bytes of all samples, each packed. It cannot end its own element, a browser
unpacks it without a library, and a page of 432 cases with all of its samples stays below a
megabyte. Texts are worded here and not in the script, which only puts them in their
places.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Comparison, Row
from orchestrator.page import (
    drawing,
    environment_table,
    exports,
    packing,
    samples,
)
from orchestrator.page.answer import describe
from orchestrator.page.charts import Chart
from orchestrator.page.metrics import DIALOG_LINES, Reader, Scalar
from orchestrator.page.naming import title
from orchestrator.page.reproduce import command
from orchestrator.page.sections import ChartGroup
from orchestrator.page.tables import Results

# Beyond this many cases the table is paged and charts are drawn when somebody opens them:
# 10,000 plain lines take a browser seconds.
MAX_PLAIN_CASES: Final = 1_500
# Lines that are on the page anyway, and lines of a page of the table.
PAGE_LINES: Final = 200


def is_large(comparison: Comparison) -> bool:
    """Whether the page draws its charts and most of its table only on demand."""
    return len(comparison.rows) > MAX_PLAIN_CASES


def block(comparison: Comparison, results: Results, groups: Sequence[ChartGroup]) -> str:
    """The data of a page; `unpacked` reads it.

    It holds the JSON export with a list per column and as many digits as mean something, the
    Markdown export, and per row a title, a sentence, a command, the evidence and the samples; of a
    large page also its table and its charts.
    """
    rows, exported = comparison.rows, exports.columns_of(comparison)
    packed = samples.pack(rows)
    content: dict[str, object] = {
        "name": wording.redacted(comparison.run.name),
        "header": exports.header(comparison),
        "columns": list(exported),
        "values": _columns(rows, exported),
        "markdown": exports.to_markdown(comparison),
        "commands": [command(row.host, [row.case], comparison.run.plan) for row in rows],
        "samples": {
            "means_only": packed.means_only,
            "layouts": packed.layouts,
            "cases": packed.cases,
        },
        "drawing": drawing.terms(comparison),
    }
    if is_large(comparison):
        content |= {"lines": _lines(results), "charts": [_group(group) for group in groups]}
    # The others are clean: exports and commands clean themselves, lines and charts what comes
    # from hosts.
    content |= {name: _cleaned(text) for name, text in _texts(comparison).items()}
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return f"{packing.pack(text.encode())}\n{packing.pack(packed.steps, is_noise=True)}"


def _texts(comparison: Comparison) -> dict[str, object]:
    """What the script shows of each row, and of each host."""
    rows = comparison.rows
    return {
        "titles": [title(row) for row in rows],
        "sentences": [describe(row) for row in rows],
        "evidence": {
            "names": [line.title for line in DIALOG_LINES],
            "rows": [[line.write(row) for line in DIALOG_LINES] for row in rows],
        },
        "environments": _environments(comparison),
    }


def _columns(rows: Sequence[Row], exported: Mapping[str, Reader]) -> list[list[Scalar]]:
    """The exported values, a list per column: alike beside alike packs best."""
    values = [exports.values_of(row, exported) for row in rows]
    found = zip(*values, strict=True) if values else ([] for _ in exported)
    return [_rounded(column, _digits(name)) for name, column in zip(exported, found, strict=True)]


def _digits(name: str) -> int:
    """How many digits of a column mean something: six of what has an interval, which is less than
    intervals span; five of other times, which is less than clocks resolve and noise leaves alone;
    of a probability three."""
    if name.startswith("p_value"):
        return 3
    return 6 if any(part in name for part in ("_mean_", "speed_up", "time_saved")) else 5


def unpacked(text: str) -> tuple[dict[str, object], bytes]:
    """The JSON and the samples that `block` packed."""
    content, steps = (packing.unpack(line) for line in text.splitlines())
    return json.loads(content), steps


def _rounded(column: Iterable[Scalar], digits: int) -> list[Scalar]:
    return [float(f"{value:.{digits}g}") if isinstance(value, float) else value for value in column]


def _environments(comparison: Comparison) -> dict[str, list[tuple[str, str]]]:
    lines = environment_table.environment_lines(comparison.hosts)
    return {
        host.host: [
            (line.name, line.values[place])
            for line in lines
            if line.values[place] != wording.NOTHING
        ]
        for place, host in enumerate(comparison.hosts)
    }


def _lines(results: Results) -> list[object]:
    """Only labels, cases and notes may hold words of a host; all other texts are numbers."""
    return [
        [
            wording.redacted(line.row.label),
            _cleaned(line.case),
            line.row.verdict,
            [
                (line.verdict.text, wording.redacted(line.verdict.small)),
                *((field.text, field.small) for field in line.fields),
            ],
        ]
        for line in results.lines
    ]


def _group(group: ChartGroup) -> list[object]:
    return [
        [panel.batch_size, _chart(panel.durations), _chart(panel.savings)] for panel in group.panels
    ]


def _chart(chart: Chart) -> dict[str, object]:
    return {
        "height": chart.height,
        "zero": chart.zero,
        "ticks": [(tick.x, tick.text, tick.minor) for tick in chart.ticks],
        "lines": [
            (
                line.index, line.y, wording.redacted(line.label), line.verdict, line.remark,
                [
                    (bar.tone, bar.x, bar.width, bar.low, bar.high, bar.marker,
                     bar.text, bar.text_x)
                    for bar in line.bars
                ],
            )
            for line in chart.lines
        ],
    }  # fmt: skip


def _cleaned(value: object) -> object:
    """The same content with every string, keys included, free of what must not be published."""
    if isinstance(value, str):
        return wording.redacted(value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value

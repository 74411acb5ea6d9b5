"""What the command line says, as text and as JSON (pure).

Standard output carries these and nothing else.
"""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from harness.contract import catalogue
from orchestrator import wording
from orchestrator.changes import change_words
from orchestrator.changes.changes import Changes
from orchestrator.compare.comparison import Comparison, HostSummary, Row
from orchestrator.page import answer, conditions
from orchestrator.page.metrics.compiling import break_even

if TYPE_CHECKING:
    from rich.table import Table

# A table longer than this belongs on the page.
MAX_ROWS: Final = 60
_UNLIMITED: Final = 10_000
_VALUES: Final = ("Speed-up", "95 % interval", "Eager", "Compiled", "Compile", "Break-even")
# How many of them stand in the table: on a narrow terminal the rest is left to the page.
_FEWER_VALUES: Final = (6, 5, 4, 2, 1, 0)
_CATALOGUE_VALUES: Final[tuple[tuple[str, Literal["left", "right"]], ...]] = (
    ("Published as", "left"),
    ("Parameters", "right"),
    ("GFLOP per image", "right"),
    ("Task", "left"),
)


def to_text(
    comparison: Comparison, page: Path, width: int | None, changes: Changes | None = None
) -> str:
    """The summary table, then the page's path, then the answer: the last line is what counts.

    Args:
        width: columns of the terminal; None where there is none, and lines need no breaking.
        changes: since the run that is the baseline, if a run is.
    """
    said = answer.answer(comparison)
    verdict = f"{said.headline}. {said.sentence}"
    parts = [_results(comparison.rows, width)] if comparison.rows else []
    if len(comparison.rows) > MAX_ROWS:
        parts.append(f"… and {len(comparison.rows) - MAX_ROWS} more on the page")
    if changes is not None:
        against = f"Against run {changes.before.run.name}: {change_words.said(changes).headline}."
        parts.append(_filled(wording.one_line(against), width))
    parts += [_filled(line, width) for line in _without_noise(comparison.hosts)]
    parts += [_filled(line, width) for line in _disturbed(comparison.hosts)]
    parts += [f"Page: {page}", _filled(verdict, width)]
    return "\n".join(parts)


def _without_noise(hosts: Sequence[HostSummary]) -> Iterator[str]:
    """The hosts that lack nothing but their noise floor, which costs the exit code all the same."""
    for host in hosts:
        if host.noise_problems and not any(row.problem for row in host.rows):
            why = host.noise_problems[0].message
            yield wording.one_line(f"{host.host}: eager against eager is missing: {why}")


def _disturbed(hosts: Sequence[HostSummary]) -> Iterator[str]:
    """What held clocks down, which no number in the table tells."""
    for host in hosts:
        for sentence in conditions.disturbed(host):
            yield wording.one_line(f"{host.host}: {sentence}")


def _filled(text: str, width: int | None) -> str:
    return textwrap.fill(text, width) if width else text


def to_json(comparison: Comparison, page: Path, changes: Changes | None = None) -> str:
    """The same for programs; results.json beside the page has every row."""
    said = answer.answer(comparison)
    content = {
        "run_id": comparison.run.run_id,
        "page": str(page),
        "results": str(page.with_name("results.json")),
        "headline": said.headline,
        "sentence": said.sentence,
        "rehearsal": comparison.rehearsal or None,
        "counts": comparison.counts,
        "median_break_even_inferences": comparison.median_break_even,
        "hosts": [
            {
                "host": host.host,
                "gpu": host.gpu or None,
                "counts": host.counts,
                "geometric_mean_speed_up": host.geometric_mean,
            }
            for host in comparison.hosts
        ],
        "baseline": None if changes is None else _baseline(changes),
    }
    return json.dumps(content, indent=2, allow_nan=False)


def _baseline(changes: Changes) -> dict[str, str]:
    found = change_words.said(changes)
    name = wording.plain(changes.before.run.name)
    return {"run": name, "headline": found.headline, "sentence": found.sentence}


def catalogue_table(width: int | None) -> str:
    """The twelve models for people."""
    return fitting(_catalogue_table, range(4, -1, -1), width)


def catalogue_json() -> str:
    """The twelve models for programs."""
    wanted = ("name", "label", "task", "hub_id", "auto_class", "parameters", "flops_per_image")
    rows = [asdict(model) for model in catalogue.CATALOGUE]
    return json.dumps([{key: row[key] for key in wanted} for row in rows], indent=2)


def _catalogue_table(shown: int) -> Table:
    table = new_table("Name", "Hub id")
    for heading, justify in _CATALOGUE_VALUES[:shown]:
        table.add_column(heading, justify=justify)
    for model in catalogue.CATALOGUE:
        values = (
            model.label,
            f"{model.parameters / 1e6:.1f} M",
            f"{model.flops_per_image / 1e9:,.0f}",
            model.task,
        )
        table.add_row(model.name, model.hub_id, *values[:shown])
    return table


def _results(rows: Sequence[Row], width: int | None) -> str:
    """A line per case, its verdict last."""
    return fitting(lambda shown: _result_table(rows, shown), _FEWER_VALUES, width)


def _result_table(rows: Sequence[Row], shown: int) -> Table:
    """What is the same in all rows goes without saying; `shown` values stand before the verdict."""
    several = [
        name
        for name, values in (
            ("host", {row.host for row in rows}),
            ("mode", {row.case.mode for row in rows}),
            ("precision", {row.case.precision for row in rows}),
        )
        if len(values) > 1
    ]
    table = new_table(*(name.capitalize() for name in several if name == "host"), "Model", "Case")
    for heading in _VALUES[:shown]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows[:MAX_ROWS]:
        *values, verdict = _values(row)
        table.add_row(*_names(row, several), *values[:shown], verdict)
    return table


def _names(row: Row, several: Sequence[str]) -> list[str]:
    case = row.case
    parts = [f"b{case.batch_size}"]
    parts += [case.mode] * ("mode" in several) + [case.precision] * ("precision" in several)
    host = [wording.one_line(row.host)] * ("host" in several)
    return [*host, wording.one_line(row.label), " ".join(parts)]


def _values(row: Row) -> list[str]:
    verdict = f"{wording.SYMBOLS[row.verdict]} {row.verdict}"
    if row.problem is not None:
        why = f": {wording.reason(row.problem.reason)}" * (row.verdict == "failed")
        return [*[wording.NOTHING] * 6, verdict + why]
    assert row.eager is not None
    assert row.compiled is not None
    assert row.speed_up is not None
    return [
        wording.speed_up(row.speed_up.value),
        wording.interval(row.speed_up, wording.speed_up) or wording.NOTHING,
        wording.milliseconds(row.eager.mean.value),
        wording.milliseconds(row.compiled.mean.value),
        wording.NOTHING if row.compile_s is None else wording.seconds(row.compile_s),
        break_even(row),
        verdict,
    ]


def new_table(*headings: str) -> Table:
    """An empty table in the look of all of them."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for heading in headings:
        table.add_column(heading)
    return table


def fitting(make: Callable[[int], Table], columns: Iterable[int], width: int | None) -> str:
    """The first table that is no wider than `width`, else the last; nothing is cut or broken,
    because a name in pieces can neither be read nor copied."""
    text = ""
    for shown in columns:
        text = _render(make(shown))
        if width is None or max(map(len, text.splitlines())) <= width:
            break
    return text


def _render(table: Table) -> str:
    """As plain text: the same in a terminal, a pipe and a log."""
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=_UNLIMITED, color_system=None, markup=False).print(table)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    return "\n".join(line for line in lines if line)

"""A comparison -> the maps of models by hosts and batch sizes (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.answer import case_name, host_name, with_interval
from orchestrator.comparison import Comparison, HostSummary, Row
from orchestrator.sections import Indexed, Setting, of_setting, settings, troubles

# The steps of the colours, in shares of time saved; the legend in the template names them.
_STEPS: Final = (0.10, 0.20, 0.35)


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of the heat map. `tone` is a colour class, `anchor` an id on the page."""

    index: int
    tone: str
    symbol: str
    text: str
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Models by hosts and batch sizes, for one mode and precision; None where nothing is planned.

    `columns` has one (host, batch size) per cell of a line; `hosts` the name and number of columns.
    """

    mode: str
    precision: str
    hosts: tuple[tuple[str, str, int], ...]
    columns: tuple[tuple[str, int, bool], ...]
    lines: tuple[tuple[str, str, tuple[Cell | None, ...]], ...]


def heat_maps(comparison: Comparison) -> tuple[HeatMap, ...]:
    """One map per mode and precision, in the order of the run."""
    anchors = {
        index: trouble.anchor for trouble in troubles(comparison) for index, _ in trouble.cases
    }
    return tuple(
        _heat_map(setting, of_setting(comparison.rows, setting), comparison.hosts, anchors)
        for setting in settings(comparison.rows)
    )


def _heat_map(
    setting: Setting,
    found: Sequence[Indexed],
    hosts: Sequence[HostSummary],
    anchors: Mapping[int, str],
) -> HeatMap:
    cells = {
        (row.case.model, row.host, row.case.batch_size): _cell(index, row, anchors)
        for index, row in found
    }
    models = dict.fromkeys((row.case.model, row.label) for _, row in found)
    columns, groups = [], []
    for host in hosts:
        sizes = sorted({row.case.batch_size for _, row in found if row.host == host.host})
        columns += [(host.host, size, size == sizes[0]) for size in sizes]
        groups += [(host.host, host_name(host, hosts), len(sizes))] if sizes else []
    lines = tuple(
        (model, label, tuple(cells.get((model, host, size)) for host, size, _ in columns))
        for model, label in models
    )
    return HeatMap(*setting, tuple(groups), tuple(columns), lines)


def _cell(index: int, row: Row, anchors: Mapping[int, str]) -> Cell:
    symbol = wording.SYMBOLS[row.verdict]
    name = case_name(row)
    if row.problem is not None:
        text = wording.mark(row.problem.reason)
        title = f"{name}: {wording.meaning(row.problem.reason)}"
        return Cell(index, row.verdict, symbol, text, anchors[index], title)
    assert row.time_saved is not None
    saved = row.time_saved.value
    title = f"{name}: {with_interval(row)}"
    return Cell(index, _tone(row, saved), symbol, wording.percent(saved), f"r{index}", title)


def _tone(row: Row, saved: float) -> str:
    """A colour class; unchanged and unclear cells stay grey, whatever their number."""
    step = 1 + sum(abs(saved) >= edge for edge in _STEPS)
    match row.verdict:
        case "faster":
            return f"faster-{step}"
        case "slower":
            return f"slower-{min(step, 2)}"
        case "published":
            return f"published-{step}" if saved >= 0 else "published-negative"
        case _:
            return row.verdict

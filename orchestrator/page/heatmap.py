"""A comparison -> the maps of models by hosts and batch sizes (pure).

Every host has a table of its own, so that a narrow page shows one below the other and nothing
scrolls sideways. Where the tables of a map stand side by side they share the names of the models,
and their lines are the same models in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Comparison, HostSummary, Row
from orchestrator.page.answer import with_interval
from orchestrator.page.naming import case_name, host_name
from orchestrator.page.sections import Indexed, Setting, of_setting, places, settings, troubles

# The steps of the colours, in shares of time saved; the legend in the template names them.
_STEPS: Final = (0.10, 0.20, 0.35)
# As many columns as a page of 320 pixels holds beside the names of the models.
MAX_COLUMNS: Final = 6
# Up to here, on a wide page, the tables stand side by side and share the names of the models.
MAX_JOINED: Final = 12


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
class HostMap:
    """One host: a line per model with a cell per batch size; None where nothing is planned."""

    host: str
    name: str
    sizes: tuple[int, ...]
    lines: tuple[tuple[str, str, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """All hosts in one mode and precision. `mode_place` and `precision_place` count in the
    contract's vocabulary; `joined` maps share the names of the models where the page is wide."""

    mode: str
    precision: str
    mode_place: int
    precision_place: int
    joined: bool
    hosts: tuple[HostMap, ...]


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
    models = tuple(dict.fromkeys((row.case.model, row.label) for _, row in found))
    sizes = {
        host.host: sorted({row.case.batch_size for _, row in found if row.host == host.host})
        for host in hosts
    }
    joined = sum(map(len, sizes.values())) <= MAX_JOINED
    maps = tuple(
        HostMap(
            host.host,
            host_name(host, hosts),
            part,
            tuple(
                (model, label, line)
                for model, label in models
                if any(line := tuple(cells.get((model, host.host, size)) for size in part))
                or joined
            ),
        )
        for host in hosts
        for part in _parts(sizes[host.host])
    )
    return HeatMap(*setting, *places(setting), joined, maps)


def _parts(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(sizes), MAX_COLUMNS):
        yield tuple(sizes[start : start + MAX_COLUMNS])


def _cell(index: int, row: Row, anchors: Mapping[int, str]) -> Cell:
    symbol = wording.SYMBOLS[row.verdict]
    name = case_name(row, mode=False, precision=False)
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

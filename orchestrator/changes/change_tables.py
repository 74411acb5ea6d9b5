"""What changed between two runs -> what a page shows of it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.contract.plan import Plan
from orchestrator import wording
from orchestrator.changes import change_words
from orchestrator.changes.change_words import Said
from orchestrator.changes.changes import Changes, Judged, Match
from orchestrator.compare.comparison import HostSummary, Row
from orchestrator.page.axes import Scale, Tick, tick_values, ticks_of
from orchestrator.page.environment_table import EnvironmentLine, environment_lines
from orchestrator.page.naming import case_name, title
from orchestrator.wording import NOTHING

# A change beyond this would press all others to the middle: its dot stands at the end of the line.
_FARTHEST: Final = 1.0
NOT_RECORDED: Final = "not recorded"


@dataclass(frozen=True, slots=True)
class Cell:
    """One change: its percentage in words, its interval, both values, a tone for its colour."""

    text: str
    small: str
    values: str
    tone: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A change on the line that all lines of a page share, in percent of its width."""

    x: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One matched case; `cells` are compiled, eager and speed-up, `dot` draws the first."""

    name: str
    processor: str
    cells: tuple[Cell, ...]
    dot: Dot
    tone: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The facts about one pair of hosts, and what their plans asked for: what differs, what not,
    and what says nothing: recorded in one run only, or noise."""

    name: str
    differing: tuple[EnvironmentLine, ...]
    equal: tuple[EnvironmentLine, ...]
    apart: tuple[EnvironmentLine, ...]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """All that a page says about two measured runs."""

    before: str
    after: str
    when: tuple[str, str]
    said: Said
    counts: tuple[tuple[str, str, int], ...]
    surroundings: tuple[Surroundings, ...]
    ticks: tuple[Tick, ...]
    zero: float
    moved: tuple[ChangeLine, ...]
    unmoved: tuple[ChangeLine, ...]
    outcomes: tuple[tuple[str, str, str], ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    caution: str


def view(changes: Changes) -> ChangeView:
    """Arrange two measured runs for a page: what moved first, largest change first."""
    scale, ticks = _axis(changes.compared)
    told_apart = _told_apart(changes)
    lines = [
        (match, _line(match, scale, told_apart)) for match in sorted(changes.compared, key=_order)
    ]
    before, after = changes.before, changes.after
    return ChangeView(
        before=before.run.name,
        after=after.run.name,
        when=(before.run.created, after.run.created),
        said=change_words.said(changes),
        counts=_counts(changes),
        surroundings=surroundings(changes),
        ticks=ticks,
        zero=scale.percent(0),
        moved=tuple(line for match, line in lines if match.is_significant),
        unmoved=tuple(line for match, line in lines if not match.is_significant),
        outcomes=tuple(
            (change_words.where(m), change_words.outcome(m.before), change_words.outcome(m.after))
            for m in (*changes.outcome_changed, *changes.without_times)
        ),
        only_before=_names(changes.only_before),
        only_after=_names(changes.only_after),
        caution=change_words.caution(changes),
    )


def surroundings(changes: Changes) -> tuple[Surroundings, ...]:
    """The environments of each pair of matched hosts, and what the plans asked for."""
    earlier, later = (
        {host.host: host for host in run.hosts} for run in (changes.before, changes.after)
    )
    plans = (changes.before.run.plan, changes.after.run.plan)
    return tuple(
        _surroundings((earlier[before], later[after]), plans) for before, after in changes.hosts
    )


def _surroundings(
    hosts: tuple[HostSummary, HostSummary], plans: tuple[Plan | None, Plan | None]
) -> Surroundings:
    lines = [_between(line) for line in (*environment_lines(hosts), *_plan_lines(plans))]
    told = [line for line in lines if all(line.recorded) and not line.is_noise]
    return Surroundings(
        change_words.pair_name(*hosts),
        tuple(line for line in told if line.differs),
        tuple(line for line in told if not line.differs),
        tuple(line for line in lines if line not in told),
    )


def _between(line: EnvironmentLine) -> EnvironmentLine:
    """A fact about two runs. It differs where both told it, "there is none" included."""
    values = tuple(
        value if recorded else NOT_RECORDED
        for value, recorded in zip(line.values, line.recorded, strict=True)
    )
    differs = all(line.recorded) and not line.is_noise and len(set(values)) > 1
    return replace(line, values=values, differs=differs)


def _plan_lines(plans: tuple[Plan | None, Plan | None]) -> Iterable[EnvironmentLine]:
    for name, read in _ASKED_FOR.items():
        values = tuple(NOTHING if plan is None else str(read(plan)) for plan in plans)
        known = tuple(plan is not None for plan in plans)
        yield EnvironmentLine(name, values, differs=False, recorded=known)


_ASKED_FOR: Final[dict[str, Callable[[Plan], object]]] = {
    "Weights": lambda plan: plan.weights,
    "Model size": lambda plan: plan.size,
    "Backend": lambda plan: plan.backend,
    "Inferences per variant": lambda plan: plan.protocol.iterations,
}


def _counts(changes: Changes) -> tuple[tuple[str, str, int], ...]:
    """Symbol, word and number of each way the compiled time went, zero counts included."""
    found = changes.compiled_counts
    return tuple(
        (wording.SYMBOLS[word], word, found.get(direction, 0))
        for direction, word in change_words.TIME.items()
    )


def _order(match: Match) -> tuple[bool, float]:
    assert match.compiled is not None
    ratio = match.compiled.ratio.value
    return not match.compiled.is_significant, -max(ratio, 1 / ratio)


def _told_apart(changes: Changes) -> frozenset[str]:
    """By what cases differ; what is the same in all of them goes without saying."""
    rows = [match.after for match in changes.compared]
    values: dict[str, set[str]] = {
        "gpu": {row.gpu for row in rows},
        "mode": {row.case.mode for row in rows},
        "precision": {row.case.precision for row in rows},
    }
    return frozenset(name for name, found in values.items() if len(found) > 1)


def _line(match: Match, scale: Scale, told_apart: frozenset[str]) -> ChangeLine:
    assert match.compiled is not None
    assert match.eager is not None
    assert match.speed_up is not None
    before, after = match.before, match.after
    cells = (
        _time_cell(match.compiled, _means(before, after, "compiled")),
        _time_cell(match.eager, _means(before, after, "eager")),
        _speed_up_cell(match),
    )
    dot = _dot(match.compiled, scale)
    name = case_name(after, mode="mode" in told_apart, precision="precision" in told_apart)
    processor = wording.device(after.gpu) if "gpu" in told_apart else ""
    return ChangeLine(name, processor, cells, dot, cells[0].tone)


def _means(before: Row, after: Row, variant: str) -> str:
    pair = [row.compiled if variant == "compiled" else row.eager for row in (before, after)]
    values = [wording.significant(found.mean.value * 1000) for found in pair if found]
    return f"{' → '.join(values)} ms"


def _time_cell(judged: Judged, values: str) -> Cell:
    word = change_words.TIME[judged.direction]
    return _cell(judged, word, values, word)


def _speed_up_cell(match: Match) -> Cell:
    judged = match.speed_up
    assert judged is not None
    pair = [row.speed_up for row in (match.before, match.after)]
    values = " → ".join(wording.speed_up(found.value) for found in pair if found)
    tone = {"higher": "faster", "lower": "slower"}.get(judged.direction, judged.direction)
    return _cell(judged, judged.direction, values, tone)


def _cell(judged: Judged, word: str, values: str, tone: str) -> Cell:
    text = f"{change_words.percent_change(judged.ratio.value)} {word}"
    small = change_words.interval(judged.ratio) or "too few blocks"
    return Cell(text, small, values, tone)


def _axis(matches: Sequence[Match]) -> tuple[Scale, tuple[Tick, ...]]:
    """One line for all changes of the compiled time, zero on it."""
    values = [0.0, -0.02, 0.02]
    for match in matches:
        assert match.compiled is not None
        ratio = match.compiled.ratio
        values += [_clipped(v - 1) for v in (ratio.value, ratio.low, ratio.high) if v is not None]
    found = tick_values(min(values) * 100, max(values) * 100)
    return Scale(found[0] / 100, found[-1] / 100), ticks_of(found, " %")


def _clipped(change: float) -> float:
    return max(-_FARTHEST, min(_FARTHEST, change))


def _dot(judged: Judged, scale: Scale) -> Dot:
    x, low, high = (
        None if value is None else scale.percent(_clipped(value - 1))
        for value in (judged.ratio.value, judged.ratio.low, judged.ratio.high)
    )
    assert x is not None
    return Dot(x, low, high)


def _names(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(title(row) for row in rows)

"""A comparison -> what the sections of the page show: cards, charts, troubles (pure).

A case is known by its place in the comparison everywhere on the page, so that a filter, a link and
a table line mean the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from harness.contract.recipes import MODES
from harness.contract.vocabulary import PRECISIONS
from orchestrator import wording
from orchestrator.compare.comparison import Comparison, HostSummary, Problem, Row, Verdict
from orchestrator.page import caveats, charts, conditions
from orchestrator.page.answer import with_interval
from orchestrator.page.charts import Chart, Segment
from orchestrator.page.judgement import Judgement, judge
from orchestrator.page.naming import case_name, host_name
from orchestrator.page.reproduce import command
from orchestrator.statistics.statistics import geometric_mean

Setting: TypeAlias = tuple[str, str]  # mode and precision
Indexed: TypeAlias = tuple[int, Row]


@dataclass(frozen=True, slots=True)
class Card:
    """One host, condensed. `settings` has a line per mode and precision if there are several."""

    host: str
    name: str
    details: str
    judgement: Judgement
    ratio: str
    counts: tuple[tuple[Verdict, int], ...]
    segments: tuple[Segment, ...]
    facts: tuple[tuple[str, str], ...]
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """The two charts of one batch size."""

    batch_size: int
    durations: Chart
    savings: Chart


@dataclass(frozen=True, slots=True)
class ChartGroup:
    """The charts of one host, mode and precision; places count in the contract's vocabulary."""

    host: str
    name: str
    mode: str
    precision: str
    mode_place: int
    precision_place: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One problem and all cases of one host that it befell; `again` measures them once more."""

    anchor: str
    host: str
    name: str
    verdict: Verdict
    problem: Problem
    cases: tuple[Indexed, ...]
    again: str


def cards(comparison: Comparison) -> tuple[Card, ...]:
    """One card per host, in the order of the run."""
    return tuple(_card(host, comparison) for host in comparison.hosts)


def chart_groups(comparison: Comparison) -> tuple[ChartGroup, ...]:
    """The charts per host, mode and precision, each with a panel per batch size."""
    groups = []
    for host in comparison.hosts:
        name = host_name(host, comparison.hosts)
        for setting in settings(host.rows):
            found = [
                (index, row)
                for index, row in of_setting(comparison.rows, setting)
                if row.host == host.host
            ]
            groups.append(ChartGroup(host.host, name, *setting, *places(setting), _panels(found)))
    return tuple(groups)


def troubles(comparison: Comparison) -> tuple[Trouble, ...]:
    """Everything without times, equal problems of one host together, in the order of the run."""
    found: dict[tuple[str, Verdict, Problem], list[Indexed]] = {}
    for index, row in enumerate(comparison.rows):
        if row.problem is not None:
            found.setdefault((row.host, row.verdict, row.problem), []).append((index, row))
    names = {host.host: host_name(host, comparison.hosts) for host in comparison.hosts}
    return tuple(
        Trouble(
            f"p{place}",
            host,
            names.get(host, host),
            verdict,
            problem,
            tuple(cases),
            command(host, [row.case for _, row in cases], comparison.run.plan),
        )
        for place, ((host, verdict, problem), cases) in enumerate(found.items())
    )


def settings(rows: Iterable[Row]) -> tuple[Setting, ...]:
    """The modes and precisions that occur, in order of appearance."""
    return tuple(dict.fromkeys((row.case.mode, row.case.precision) for row in rows))


def places(setting: Setting) -> tuple[int, int]:
    """Where a mode and a precision stand in the contract's vocabulary: the page's short names."""
    mode, precision = setting
    modes: Sequence[str] = MODES
    precisions: Sequence[str] = PRECISIONS
    return modes.index(mode), precisions.index(precision)


def of_setting(rows: Sequence[Row], setting: Setting) -> list[Indexed]:
    """The rows of one mode and precision, with their places."""
    return [
        (index, row)
        for index, row in enumerate(rows)
        if (row.case.mode, row.case.precision) == setting
    ]


def _card(host: HostSummary, comparison: Comparison) -> Card:
    name = host_name(host, comparison.hosts)
    mean = host.geometric_mean
    order = charts.segments(host.counts)
    judgement = judge(host)
    if comparison.rehearsal:  # a card may be looked at, and copied, without the headline
        words = f"Rehearsal: {judgement.words[0].lower()}{judgement.words[1:]}"
        judgement = replace(judgement, words=words)
    return Card(
        host=host.host,
        name=name,
        details=_details(host),
        judgement=judgement,
        ratio="" if mean is None else wording.speed_up(mean),
        counts=tuple((segment.verdict, segment.count) for segment in order),
        segments=order,
        facts=tuple(_facts(host)),
        caveats=caveats.of_host(host, comparison.run.plan),
    )


def _details(host: HostSummary) -> str:
    if host.never_started:
        return "never started, so its processor is not known"
    if host.environment is None:
        return "published in 2023"
    return f"host {host.host} · torch {host.environment.torch}"


def _facts(host: HostSummary) -> Iterable[tuple[str, str]]:
    modes = len({row.case.mode for row in host.rows}) > 1
    precisions = len({row.case.precision for row in host.rows}) > 1
    if host.compared and (modes or precisions):
        yield "By mode" if modes else "Precision", _by_setting(host, modes=modes, types=precisions)
    for title, row in (("Best", host.best), ("Worst", host.worst)):
        if row is not None and len(host.compared) > 1:
            yield title, f"{with_interval(row)} {_name(row, modes=modes, precisions=precisions)}"
    if host.median_break_even is not None:
        yield "Pays back", f"after {wording.many(host.median_break_even, 'inference')} (median)"
    if host.price_per_hour is not None:
        yield "Price", f"{wording.dollars(host.price_per_hour)} per hour"
        yield from _cheapest(host.rows, modes=modes, precisions=precisions)

    if floor := conditions.noise_floor(host):
        yield (
            "Noise floor",
            f"{floor}; differences above {conditions.threshold(host.threshold)} count",
        )


def _by_setting(host: HostSummary, *, modes: bool, types: bool) -> str:
    """The geometric mean of each mode and precision: "default 1.24×, reduce-overhead 1.31×"."""
    found = []
    for setting in settings(host.rows):
        pairs = of_setting(host.compared, setting)
        mean = geometric_mean([row.speed_up.value for _, row in pairs if row.speed_up])
        words = " ".join(word for word, told in zip(setting, (modes, types), strict=True) if told)
        found.append(f"{words} {wording.NOTHING if mean is None else wording.speed_up(mean)}")
    return ", ".join(found)


def _cheapest(rows: Iterable[Row], *, modes: bool, precisions: bool) -> Iterable[tuple[str, str]]:
    """The case in which a million images cost least when compiled."""
    costs = [
        (row.cost_per_million_images, row)
        for row in rows
        if row.cost_per_million_images is not None
    ]
    if costs:
        (eager, compiled), row = min(costs, key=lambda found: found[0][1])
        name = _name(row, modes=modes, precisions=precisions)
        yield "Cheapest", f"{wording.costs(eager, compiled)}, {name}"


def _name(row: Row, *, modes: bool, precisions: bool) -> str:
    """The case in words that a narrow card does not tear apart."""
    name = case_name(row, mode=modes, precision=precisions)
    return name.replace("batch ", "batch\N{NO-BREAK SPACE}")


def _panels(found: Sequence[Indexed]) -> tuple[Panel, ...]:
    sizes = sorted({row.case.batch_size for _, row in found})
    by_size = [
        (size, [pair for pair in found if pair[1].case.batch_size == size]) for size in sizes
    ]
    return tuple(
        Panel(size, charts.durations(pairs), charts.savings(pairs)) for size, pairs in by_size
    )

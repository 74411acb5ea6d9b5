"""A comparison -> what the sections of the page show: cards, charts, troubles (pure).

A case is known by its place in the comparison everywhere on the page, so that a filter, a link and
a table line mean the same one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.plan import Case, Plan
from harness.records import Measurement
from orchestrator import charts, conditions, wording
from orchestrator.answer import Judgement, case_name, host_name, judge, with_interval
from orchestrator.charts import Chart, Segment
from orchestrator.comparison import Comparison, HostSummary, Problem, Row, Verdict
from orchestrator.statistics import MIN_BLOCKS, geometric_mean

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
    """The charts of one host, mode and precision."""

    host: str
    name: str
    mode: str
    precision: str
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
            groups.append(ChartGroup(host.host, name, *setting, _panels(found)))
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
            _again(host, [row.case for _, row in cases], comparison.run.plan),
        )
        for place, ((host, verdict, problem), cases) in enumerate(found.items())
    )


def settings(rows: Iterable[Row]) -> tuple[Setting, ...]:
    """The modes and precisions that occur, in order of appearance."""
    return tuple(dict.fromkeys((row.case.mode, row.case.precision) for row in rows))


def of_setting(rows: Sequence[Row], setting: Setting) -> list[Indexed]:
    """The rows of one mode and precision, with their places."""
    return [
        (index, row)
        for index, row in enumerate(rows)
        if (row.case.mode, row.case.precision) == setting
    ]


def caveats(host: HostSummary, plan: Plan | None) -> tuple[str, ...]:
    """What a reader must know before trusting a host's numbers, a sentence each."""
    found = [] if plan is None else _caveats_of_plan(plan)
    missing = host.counts.get("missing", 0)
    if host.ending != "finished":
        ended = "was interrupted" if host.ending == "interrupted" else "was lost before its end"
        found.append(f"This host {ended}; {wording.many(missing, 'case')} not measured.")
    if host.environment is not None and host.environment.device.type == "cpu":
        found.append("Measured on a CPU: this says nothing about any GPU.")
    measured = [row.measurement for row in host.rows if row.measurement is not None]
    counted = (
        (sum(not (m.eager.stable and m.compiled.stable) for m in measured), "had not settled"),
        (sum(_has_breaks(m) for m in measured), "compiled with graph breaks"),
        (sum(len(m.blocks) < 2 * MIN_BLOCKS for m in measured), "had too few blocks to judge"),
    )
    found += [f"{wording.many(n, 'case')} {words}." for n, words in counted if n]
    return (*found, *conditions.caveats(host))


def _has_breaks(measurement: Measurement) -> bool:
    evidence = measurement.compile_evidence
    return evidence is not None and evidence.graph_breaks > 0


def _again(host: str, cases: Sequence[Case], plan: Plan | None) -> str:
    """The command that measures these cases again; empty for the published table."""
    if plan is None:
        return ""
    options: dict[str, list[str]] = {
        "--hosts": [host],
        "--models": [case.model for case in cases],
        "--modes": [case.mode for case in cases],
        "--precisions": [case.precision for case in cases],
        "--batch-sizes": [str(case.batch_size) for case in cases],
        "--weights": [plan.weights],
    }
    words = ["python", "orchestrate.py"]
    for option, values in options.items():
        words += [option, ",".join(dict.fromkeys(values))]
    return shlex.join(words)


def _caveats_of_plan(plan: Plan) -> list[str]:
    found = []
    if plan.size == "tiny":
        found.append("Shrunken models: a rehearsal, not a result.")
    if plan.backend != "inductor":
        found.append(f"Backend {plan.backend} generates no code: a rehearsal, not a result.")
    if plan.weights == "random":
        found.append("Random weights: same architecture, same arithmetic.")
    return found


def _card(host: HostSummary, comparison: Comparison) -> Card:
    name = host_name(host, comparison.hosts)
    mean = host.geometric_mean
    order = charts.segments(host.counts)
    return Card(
        host=host.host,
        name=name,
        details=_details(host),
        judgement=judge(host),
        ratio="" if mean is None else wording.speed_up(mean),
        counts=tuple((segment.verdict, segment.count) for segment in order),
        segments=order,
        facts=tuple(_facts(host)),
        caveats=caveats(host, comparison.run.plan),
    )


def _details(host: HostSummary) -> str:
    if host.environment is None:
        return "published in 2023" if host.counts.get("published") else f"host {host.host}"
    return f"host {host.host} · torch {host.environment.torch}"


def _facts(host: HostSummary) -> Iterable[tuple[str, str]]:
    modes = len({row.case.mode for row in host.rows}) > 1
    precisions = len({row.case.precision for row in host.rows}) > 1
    if modes or precisions:
        for mode, precision in settings(host.rows):
            ratios = [
                row.speed_up.value
                for row in host.compared
                if (row.case.mode, row.case.precision) == (mode, precision) and row.speed_up
            ]
            mean = geometric_mean(ratios)
            yield (
                f"{mode}, {precision}",
                wording.NOTHING if mean is None else wording.speed_up(mean),
            )
    for title, row in (("Best", host.best), ("Worst", host.worst)):
        if row is not None and len(host.compared) > 1:
            name = case_name(row, mode=modes, precision=precisions)
            yield title, f"{name}: {with_interval(row)}"
    if host.median_break_even is not None:
        inferences = wording.many(host.median_break_even, "inference")
        yield "Pays for itself after", f"{inferences} (median)"
    if floor := conditions.noise_floor(host):
        yield (
            "Noise floor",
            f"{floor}; differences above {conditions.threshold(host.threshold)} count",
        )


def _panels(found: Sequence[Indexed]) -> tuple[Panel, ...]:
    sizes = sorted({row.case.batch_size for _, row in found})
    by_size = [
        (size, [pair for pair in found if pair[1].case.batch_size == size]) for size in sizes
    ]
    return tuple(
        Panel(size, charts.durations(pairs), charts.savings(pairs)) for size, pairs in by_size
    )

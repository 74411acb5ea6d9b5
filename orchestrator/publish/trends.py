"""Runs of the same processor and case -> the geometry of small charts over time (pure).

One chart per case, as wide as a phone at most, all of one size: small multiples. Every chart holds
1×, where compiling changes nothing, and its scale is its own. Runs stand at equal distances, oldest
left: between two runs nobody measured anything, so no time axis is drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from orchestrator import wording
from orchestrator.compare.comparison import Verdict
from orchestrator.page.axes import Scale, tick_values
from orchestrator.publish.results import ResultRow, RunOnDisk
from orchestrator.statistics.statistics import Estimate

WIDTH_PX: Final = 232
HEIGHT_PX: Final = 96
_LEFT_PX: Final = 38
_RIGHT_PX: Final = 10
_TOP_PX: Final = 8
# A chart of more runs than this would be a smear; it shows the latest ones.
MAX_RUNS: Final = 30
MAX_CHARTS: Final = 60

_Key: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """The speed-up of one run, in pixels; without interval, `low` and `high` are None."""

    x: float
    y: float
    low: float | None
    high: float | None
    verdict: Verdict
    title: str


@dataclass(frozen=True, slots=True)
class Release:
    """Where another release of torch begins, in pixels, and which."""

    x: float
    torch: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One case over runs. `line` is an SVG path, `ticks` are heights with their text, `one` is the
    height of 1×; `words` says first, last and number of runs, and which releases of torch."""

    name: str
    setting: str
    words: str
    points: tuple[Point, ...]
    releases: tuple[Release, ...]
    line: str
    ticks: tuple[tuple[float, str], ...]
    one: float


@dataclass(frozen=True, slots=True)
class Group:
    """The charts of one processor, those that moved most first; `more` were left out."""

    gpu: str
    trends: tuple[Trend, ...]
    more: int


@dataclass(frozen=True, slots=True)
class _Sample:
    run: str
    row: ResultRow
    rehearsal: str
    torch: str


def groups(runs: Sequence[RunOnDisk]) -> tuple[Group, ...]:
    """Charts of every processor and case that at least two runs measured.

    Args:
        runs: newest first, as `results.find` gives them. Published means are no measurement here,
            and rehearsals keep to their like.
    """
    found: dict[str, list[list[_Sample]]] = {}
    for samples in _by_case(reversed(runs)).values():
        if len({sample.run for sample in samples}) > 1:
            found.setdefault(samples[0].row.gpu or "", []).append(samples[-MAX_RUNS:])
    return tuple(_group(gpu, found[gpu]) for gpu in sorted(found))


def _by_case(runs: Iterable[RunOnDisk]) -> dict[_Key, list[_Sample]]:
    found: dict[_Key, list[_Sample]] = {}
    for run in runs:
        if run.results.is_published:
            continue
        kind = run.results.rehearsal
        releases = {host.host: host.torch or "" for host in run.results.hosts}
        for row in run.results.rows:
            if row.speed_up is not None and row.gpu:
                key = (row.gpu, row.model, row.mode, row.precision, str(row.batch_size), kind)
                torch = wording.one_line(releases.get(row.host, ""))
                found.setdefault(key, []).append(_Sample(run.folder, row, kind, torch))
    return found


def _group(gpu: str, cases: Sequence[list[_Sample]]) -> Group:
    by_movement = sorted(cases, key=_movement, reverse=True)
    trends = tuple(trend(samples) for samples in by_movement[:MAX_CHARTS])
    return Group(wording.device(gpu), trends, max(0, len(cases) - MAX_CHARTS))


def _movement(samples: Sequence[_Sample]) -> float:
    values = [sample.row.speed_up for sample in samples if sample.row.speed_up is not None]
    return max(values) / min(values)


def trend(samples: Sequence[_Sample]) -> Trend:
    """One chart; the samples oldest first, each with a speed-up."""
    ends = [end for sample in samples for end in _ends(sample.row)]
    ticks = tick_values(min(1.0, *ends), max(1.0, *ends), wanted=2)
    scale = Scale(ticks[0], ticks[-1])
    points = tuple(_point(place, samples, scale) for place in range(len(samples)))
    row, why = samples[-1].row, samples[-1].rehearsal
    kind = f"rehearsal: {why}" if why else ""
    return Trend(
        name=f"{wording.one_line(row.label)}, batch {row.batch_size}",
        setting=", ".join(filter(None, (row.mode, row.precision, kind))),
        words=_words(samples),
        points=points,
        releases=_releases(samples),
        line="M" + "L".join(f"{point.x} {point.y}" for point in points),
        ticks=tuple((_y(value, scale), wording.speed_up(value)) for value in ticks),
        one=_y(1.0, scale),
    )


def _words(samples: Sequence[_Sample]) -> str:
    first, last = (samples[place].row.speed_up or 0.0 for place in (0, -1))
    runs = len({sample.run for sample in samples})
    text = f"{wording.speed_up(first)} → {wording.speed_up(last)} over {wording.many(runs, 'run')}"
    torch = [name for name, _ in itertools.groupby(sample.torch for sample in samples)]
    return f"{text}; torch {' → '.join(torch)}" if len(torch) > 1 else text


def _releases(samples: Sequence[_Sample]) -> tuple[Release, ...]:
    """Half-way between the last run of one release and the first of another."""
    return tuple(
        Release(round((_x(place - 1, samples) + _x(place, samples)) / 2, 1), sample.torch)
        for place, sample in enumerate(samples)
        if place and sample.torch != samples[place - 1].torch
    )


def _x(place: int, samples: Sequence[_Sample]) -> float:
    step = (WIDTH_PX - _LEFT_PX - _RIGHT_PX) / max(1, len(samples) - 1)
    return round(_LEFT_PX + place * step, 1)


def _ends(row: ResultRow) -> list[float]:
    ends = (row.speed_up, row.speed_up_low, row.speed_up_high)
    return [value for value in ends if value is not None]


def _point(place: int, samples: Sequence[_Sample], scale: Scale) -> Point:
    sample = samples[place]
    row = sample.row
    assert row.speed_up is not None
    torch = f", torch {sample.torch}" if sample.torch else ""
    estimate = Estimate(row.speed_up, row.speed_up_low, row.speed_up_high)
    spread = wording.interval(estimate, wording.speed_up) or "no interval"
    return Point(
        x=_x(place, samples),
        y=_y(row.speed_up, scale),
        low=None if row.speed_up_low is None else _y(row.speed_up_low, scale),
        high=None if row.speed_up_high is None else _y(row.speed_up_high, scale),
        verdict=row.verdict,
        title=f"{wording.one_line(sample.run)}{torch}: {wording.speed_up(row.speed_up)} ({spread})",
    )


def _y(value: float, scale: Scale) -> float:
    """Pixels from the top; larger values stand higher."""
    inner = HEIGHT_PX - 2 * _TOP_PX
    return round(_TOP_PX + inner * (1 - scale.percent(value) / 100), 1)

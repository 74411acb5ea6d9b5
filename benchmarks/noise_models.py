"""Noise as real machines make it: fitted to the samples of a run, drawn by the thousand.

A model draws how far each of 600 consecutive calls lies from the time without noise, as a share of
it. The samples of a run are the source of every number: all calls of a case in the order in which
they were made, each relative to the median of its variant. Each model makes one property of theirs
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from harness.contract.records import Measurement, read_record
from harness.contract.vocabulary import Variant
from orchestrator.compare.facts import samples
from orchestrator.statistics.times import Floats

Shape: TypeAlias = tuple[int, int]
Deviations: TypeAlias = Callable[["Fit", np.random.Generator, Shape, int], Floats]

TAIL_SHARE: Final = 0.1
DRIFT: Final = 0.10
# After a change of variants, the first call finds caches that the other one has filled.
AFTER_SWITCH: Final = 0.10
CALLS_PER_BLOCK: Final = 10
LEVEL_CALLS: Final = 5


@dataclass(frozen=True, slots=True)
class Fit:
    """What the samples of a run show, as shares of the median time of a call.

    `scatter` and `core` are the standard deviation of the calls without their trend, by moments
    and by the median absolute deviation: medians over all cases. `tail_index` is Hill's estimator
    for the slowest tenth; `tail_start` is where that begins, in units of `core`. `correlation` is
    that of a call with the next one. The clock's two levels lie `clock_gap` apart, with
    `clock_scatter` within each; it changes after `clock_dwell` calls.
    """

    scatter: float
    core: float
    tail_index: float
    tail_start: float
    correlation: float
    clock_gap: float
    clock_scatter: float
    clock_dwell: float


@dataclass(frozen=True, slots=True)
class Noise:
    """A noise model: its deviations, and a linear drift from the first call to the last."""

    name: str
    deviations: Deviations
    drift: float = 0.0

    def draw(
        self,
        fit: Fit,
        generator: np.random.Generator,
        shape: Shape,
        scale: float = 1.0,
        block: int = CALLS_PER_BLOCK,
    ) -> Floats:
        """Times relative to the first one without noise, shape (cases, calls).

        Args:
            scale: shrinks or stretches the deviations, not the drift.
            block: how many consecutive calls of one variant there are, of both by turns A B B A.
        """
        drift = self.drift * np.arange(shape[1]) / shape[1]
        times = 1 + drift + scale * self.deviations(fit, generator, shape, block)
        return np.maximum(times, 0.05)

    def spread(self, fit: Fit, mean_of: int = 1) -> float:
        """The standard deviation of means of so many consecutive calls, without the drift."""
        found = self.deviations(fit, np.random.default_rng(1), (500, 600), CALLS_PER_BLOCK)
        return float(found.reshape(500, -1, mean_of).mean(axis=2).std())


def fit(records: Path) -> Fit:
    """Fit all models to the raw samples of a harness, one record a line."""
    series = list(_series(records))
    residuals = [_without_trend(times) for times in series]
    cores = [_core(each) for each in residuals]
    pooled = np.sort(np.concatenate([r / c for r, c in zip(residuals, cores, strict=True)]))[::-1]
    tail = int(TAIL_SHARE * pooled.size)
    gap, scatter, dwell = _clock_levels(series)
    return Fit(
        scatter=float(np.median([each.std() for each in residuals])),
        core=float(np.median(cores)),
        tail_index=float(1 / np.log(pooled[:tail] / pooled[tail]).mean()),
        tail_start=float(pooled[tail]),
        correlation=float(np.median([_lag_one(each) for each in residuals])),
        clock_gap=gap,
        clock_scatter=scatter,
        clock_dwell=dwell,
    )


def _series(records: Path) -> Iterator[Floats]:
    """The times of all calls of each case in the order made, relative to their variant's median."""
    for line in records.read_bytes().splitlines():
        record = read_record(line)
        if isinstance(record, Measurement):
            middle_s = {
                variant: median(t for block in samples(record.blocks, variant) for t in block)
                for variant in get_args(Variant)
            }
            yield np.asarray(
                [t / middle_s[block.variant] for block in record.blocks for t in block.samples_s]
            )


def _without_trend(times: Floats) -> Floats:
    place = np.arange(times.size)
    residual: Floats = times - np.polyval(np.polyfit(place, times, 1), place)
    return residual - np.median(residual)


def _core(residual: Floats) -> float:
    return float(1.4826 * np.median(np.abs(residual)))


def _lag_one(residual: Floats) -> float:
    return float((residual[1:] * residual[:-1]).sum() / (residual**2).sum())


def _clock_levels(series: list[Floats]) -> tuple[float, float, float]:
    """Gap, scatter and dwell of the case that two levels describe best and that changed level more
    than twice."""
    found = []
    for times in series:
        ordered = np.sort(times)
        cuts = range(3, times.size - 2)
        within = [_within(ordered, cut) for cut in cuts]
        cut = cuts[int(np.argmin(within))]
        # A single call beyond the cut is noise: the level is that of five calls.
        level = np.median(sliding_window_view(times, LEVEL_CALLS), axis=1) >= ordered[cut]
        changes = int(np.count_nonzero(np.diff(level)))
        if changes > 2:
            gap = float(ordered[cut:].mean() / ordered[:cut].mean() - 1)
            explained = 1 - min(within) / float(times.var())
            dwell = times.size / changes
            found.append((explained, (gap, min(within) ** 0.5, dwell)))
    return max(found)[1]


def _within(ordered: Floats, cut: int) -> float:
    parts = ordered[:cut], ordered[cut:]
    return float(sum(part.var() * part.size for part in parts)) / ordered.size


def _white(fit: Fit, generator: np.random.Generator, shape: Shape, block: int) -> Floats:  # noqa: ARG001
    return fit.scatter * generator.standard_normal(shape)


def _heavy_tail(fit: Fit, generator: np.random.Generator, shape: Shape, block: int) -> Floats:  # noqa: ARG001
    body = generator.standard_normal(shape)
    tail = fit.tail_start * (1 + generator.pareto(fit.tail_index, shape))
    slow = generator.random(shape) < TAIL_SHARE
    return fit.core * np.where(slow, tail, body).astype(np.float64)


def _two_clocks(fit: Fit, generator: np.random.Generator, shape: Shape, block: int) -> Floats:  # noqa: ARG001
    changes = np.cumsum(generator.random(shape) < 1 / fit.clock_dwell, axis=1)
    slow = np.asarray((changes + generator.integers(0, 2, (shape[0], 1))) % 2, dtype=np.float64)
    return fit.clock_gap * slow + fit.clock_scatter * generator.standard_normal(shape)


def _correlated(fit: Fit, generator: np.random.Generator, shape: Shape, block: int) -> Floats:  # noqa: ARG001
    steps = generator.standard_normal(shape)
    steps[:, 1:] *= (1 - fit.correlation**2) ** 0.5
    for call in range(1, shape[1]):
        steps[:, call] += fit.correlation * steps[:, call - 1]
    return fit.scatter * steps


def _cold_caches(fit: Fit, generator: np.random.Generator, shape: Shape, block: int) -> Floats:
    """Two blocks of a variant follow each other in A B B A; the first of them begins cold."""
    cold = np.asarray(np.arange(shape[1]) % (2 * block) == block, dtype=np.float64)
    return _white(fit, generator, shape, block) + AFTER_SWITCH * cold


MODELS: Final = (
    Noise("white", _white),
    Noise("drift of 10 %", _white, DRIFT),
    Noise("heavy tail", _heavy_tail),
    Noise("two clock rates", _two_clocks),
    Noise("correlated", _correlated),
    Noise("cold after a switch", _cold_caches),
)

"""Whether a time differs between two runs, and by how much.

Within a run, eager and compiled blocks are taken in turn and stay paired. Blocks of *two* runs have
nothing in common, so each run is resampled by itself: an independent block bootstrap of the ratio,
with the BCa correction for two samples (Efron & Tibshirani 1993, chapters 8 and 14). A run's own
speed-up keeps its pairs: whole pairs are drawn.

The p-value is not counted from the resamples: among 10,000 of them the smallest share is 1/10,000,
too coarse for a correction over hundreds of cases. It is Welch's t of the logarithms, with
jackknife variances, which for means is Welch's t-test of the block means to first order; a test
holds both against scipy. False discoveries are controlled after Benjamini & Hochberg (1995),
written out because importing scipy.stats costs more than a page.

All of it describes the noise within the two runs. What another day, temperature or reboot adds is
in neither, so a significant difference may still be one between days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtr

from orchestrator.statistics import (
    MIN_BLOCKS,
    SEED,
    Blocks,
    Estimate,
    Floats,
    bca_interval,
    block_sums,
    draws_of,
)

# The share of false ones tolerated among the differences that a comparison calls significant.
FALSE_DISCOVERY_RATE: Final = 0.05
# A relative difference below this is one of arithmetic: no clock resolves it.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Change:
    """The later run divided by the earlier one, and the probability of a difference at least as
    large if there were none. Without interval and p-value where a run has too few blocks."""

    ratio: Estimate
    p_value: float | None


@dataclass(frozen=True, slots=True)
class _Part:
    """A run's share in a change: the ratio of two sums over blocks, both of shape (blocks,)."""

    numerators: Floats
    denominators: Floats

    @property
    def value(self) -> float:
        return float(self.numerators.sum() / self.denominators.sum())

    @property
    def left_out(self) -> Floats:
        """The ratio without each block in turn; shape (blocks,)."""
        numerators = self.numerators.sum() - self.numerators
        return np.asarray(numerators / (self.denominators.sum() - self.denominators))

    def resampled(self, seed: int) -> Floats:
        draws = draws_of(self.numerators.size, seed)
        ratios = (draws @ self.numerators) / (draws @ self.denominators)
        return np.asarray(ratios, dtype=np.float64)


def change_of_mean(before: Blocks, after: Blocks) -> Change:
    """Compare the mean time of one variant in two runs; above 1, the later run is slower.

    Args:
        before, after: seconds per call, shape (blocks, calls); the runs may differ in both.
    """
    return _change(_mean(before), _mean(after))


def change_of_speed_up(before: tuple[Blocks, Blocks], after: tuple[Blocks, Blocks]) -> Change:
    """Compare eager ÷ compiled of two runs; above 1, compiling helps more in the later run.

    Args:
        before, after: eager and compiled blocks of a run, paired as for `statistics.speed_up`.
    """
    return _change(_Part(*map(block_sums, before)), _Part(*map(block_sums, after)))


def adjusted(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjust p-values for their number (Benjamini & Hochberg); what has none stays without.

    Returns: for each, the smallest false discovery rate at which it counts as a discovery.
    """
    known = [(p, place) for place, p in enumerate(p_values) if p is not None]
    found: list[float | None] = [None] * len(p_values)
    smallest = 1.0
    for rank, (p, place) in reversed(list(enumerate(sorted(known), start=1))):
        smallest = min(smallest, p * len(known) / rank)
        found[place] = smallest
    return tuple(found)


def _mean(blocks: Blocks) -> _Part:
    sizes = np.asarray([len(block) for block in blocks], dtype=np.float64)
    return _Part(block_sums(blocks), sizes)


def _change(before: _Part, after: _Part) -> Change:
    value = after.value / before.value
    if min(before.numerators.size, after.numerators.size) < MIN_BLOCKS:
        return Change(Estimate(value, None, None), None)
    # Two seeds: with one, two runs of the same length would be drawn alike, that is paired.
    resampled = after.resampled(SEED + 1) / before.resampled(SEED)
    low, high = bca_interval(value, resampled, _left_out(before, after))
    return Change(Estimate(value, low, high), _p_value(before, after))


def _left_out(before: _Part, after: _Part) -> Floats:
    """The change without each block of either run in turn, around 0 and weighted by the size of
    its run, as the acceleration of a statistic of two samples asks for."""
    changes = (after.value / before.left_out, after.left_out / before.value)
    return np.concatenate([(c - c.mean()) * (c.size - 1) / c.size for c in changes])


def _p_value(before: _Part, after: _Part) -> float:
    """Welch's two-sided t-test of the two logarithms."""
    logarithms = np.log(before.left_out), np.log(after.left_out)
    variances = [float(v.var() * (v.size - 1)) for v in logarithms]
    difference = float(np.log(after.value / before.value))
    if sum(variances) <= _ROUNDING**2:  # every block alike
        return float(abs(difference) <= _ROUNDING)
    freedom = sum(variances) ** 2 / sum(
        variance**2 / (v.size - 1) for variance, v in zip(variances, logarithms, strict=True)
    )
    return float(2 * stdtr(freedom, -abs(difference) / sum(variances) ** 0.5))

"""Whether a time differs between two runs, and by how much (pure).

Within a run, eager and compiled blocks are taken in turn and belong together. Blocks of *two* runs
have nothing in common: each run has a variance of its own, and the two add up (Welch's t-test, on
the scale of the logarithm, where a ratio is a difference; the delta method gives the variance of a
ratio of sums). What varies is the *round* of two neighbouring blocks of a variant, as A B B A takes
them: noise lasts longer than a block, and single blocks would promise too much.

An interval of t and not of a bootstrap: resampled blocks hold the truth less often than they say
(`python -m benchmarks two_runs`), and counted p-values end at one in the number of resamples, too
coarse to be corrected for hundreds of cases. Interval and p-value agree by construction.

All of it describes the noise within the two runs. What another day, temperature or reboot adds is
in neither, so a significant difference may still be one between days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtr, stdtrit

from orchestrator.statistics import CONFIDENCE, MIN_BLOCKS, ROUND_PAIRS, Blocks, Estimate, Floats

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
    def variance_and_freedom(self) -> tuple[float, int]:
        """Of the logarithm of the value: what each block contributes to its error, per round."""
        influence = (
            self.numerators / self.numerators.sum() - self.denominators / self.denominators.sum()
        )
        rounds = np.add.reduceat(influence, np.arange(0, influence.size, ROUND_PAIRS))
        freedom = rounds.size - 1
        return float((rounds**2).sum()) * rounds.size / freedom, freedom


def change_of_mean(before: Blocks, after: Blocks) -> Change:
    """Compare the mean time of one variant in two runs; above 1, the later run is slower.

    Args:
        before, after: seconds per call, shape (blocks, calls), in the order taken; the runs may
            differ in both.
    """
    return _change(_mean(before), _mean(after))


def change_of_speed_up(before: tuple[Blocks, Blocks], after: tuple[Blocks, Blocks]) -> Change:
    """Compare eager ÷ compiled of two runs; above 1, compiling helps more in the later run.

    Args:
        before, after: eager and compiled blocks of a run, paired as for `statistics.speed_up`.
    """
    return _change(_Part(*map(_sums, before)), _Part(*map(_sums, after)))


def _sums(blocks: Blocks) -> Floats:
    return np.asarray([math.fsum(block) for block in blocks], dtype=np.float64)


def _mean(blocks: Blocks) -> _Part:
    return _Part(_sums(blocks), np.asarray([len(block) for block in blocks], dtype=np.float64))


def _change(before: _Part, after: _Part) -> Change:
    value = after.value / before.value
    if min(before.numerators.size, after.numerators.size) < MIN_BLOCKS:
        return Change(Estimate(value, None, None), None)
    error, freedom = _standard_error(before, after)
    margin = error * float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
    distance = abs(math.log(value))
    if error <= _ROUNDING:  # every block alike
        p_value = float(distance <= _ROUNDING)
    else:
        p_value = float(2 * stdtr(freedom, -distance / error))
    return Change(Estimate(value, value * math.exp(-margin), value * math.exp(margin)), p_value)


def _standard_error(before: _Part, after: _Part) -> tuple[float, float]:
    """Of the logarithm of the change, with Welch's degrees of freedom."""
    parts = (before.variance_and_freedom, after.variance_and_freedom)
    total = math.fsum(variance for variance, _ in parts)
    if total <= _ROUNDING**2:
        return 0.0, 1.0
    return math.sqrt(total), total**2 / math.fsum(v**2 / freedom for v, freedom in parts)

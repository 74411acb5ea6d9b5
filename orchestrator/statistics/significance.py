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
from typing import TypeAlias

from orchestrator.statistics.statistics import MIN_BLOCKS, Estimate, SumRatio, estimate
from orchestrator.statistics.times import Blocks, Times

# Eager and compiled.
Variants: TypeAlias = tuple[Blocks | Times, Blocks | Times]


@dataclass(frozen=True, slots=True)
class Change:
    """The later run divided by the earlier one, and the probability of a difference at least as
    large if there were none. Without interval and p-value where a run has too few blocks."""

    ratio: Estimate

    @property
    def p_value(self) -> float | None:
        return self.ratio.p_value


def change_of_mean(before: Blocks | Times, after: Blocks | Times) -> Change:
    """Compare the mean time of one variant in two runs; above 1, the later run is slower.

    Args:
        before, after: seconds per call, shape (blocks, calls), in the order taken; the runs may
            differ in both.
    """
    return _change(_mean(before), _mean(after))


def change_of_speed_up(before: Variants, after: Variants) -> Change:
    """Compare eager ÷ compiled of two runs; above 1, compiling helps more in the later run.

    Args:
        before, after: eager and compiled blocks of a run, paired as for `statistics.speed_up`.
    """
    return _change(_speed_up(before), _speed_up(after))


def _mean(blocks: Blocks | Times) -> SumRatio:
    times = Times.of(blocks)
    return SumRatio(times.sums_s, times.calls)


def _speed_up(variants: Variants) -> SumRatio:
    eager, compiled = map(Times.of, variants)
    return SumRatio(eager.sums_s, compiled.sums_s)


def _change(before: SumRatio, after: SumRatio) -> Change:
    value = after.value / before.value
    if min(before.numerators.size, after.numerators.size) < MIN_BLOCKS:
        return Change(Estimate(value, None, None))
    return Change(estimate(value, *_standard_error(before, after)))


def _standard_error(before: SumRatio, after: SumRatio) -> tuple[float, float]:
    """Of the logarithm of the change, with Welch's degrees of freedom."""
    parts = [
        (error**2, freedom)
        for error, freedom in (each.standard_error() for each in (before, after))
    ]
    total = math.fsum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, 1.0
    return math.sqrt(total), total**2 / math.fsum(v**2 / freedom for v, freedom in parts)

"""Turns repeated timings into a speed-up with an interval, a verdict and a break-even.

Works on plain floats; knows nothing of GPUs, records or files. The unit of noise is the *round*:
two neighbouring pairs of blocks, taken as A B B A. Within a round, a linear drift and whatever a
call costs just after a change of variants fall on both alike, so rounds scatter only by what is
not shared. A ratio of sums over rounds is linearised (the delta method; Cochran, Sampling
Techniques, 1977, section 6.3) on the scale of its logarithm, and Student's t gives the interval
and the p-value that belongs to it: the one excludes 1 exactly when the other is below 5 %.
`benchmarks/simulation.py` holds both against known truths.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from orchestrator.statistics.times import Blocks, Floats, Times

Number = TypeVar("Number", np.float64, np.int64)
Decision: TypeAlias = Literal["faster", "slower", "same", "unclear"]

CONFIDENCE: Final = 0.95
# Fewer block pairs than this carry no interval: two rounds leave one degree of freedom.
MIN_BLOCKS: Final = 5
ROUND_PAIRS: Final = 2
# A difference below this is not worth a change in a deployment, however certain it is.
PRACTICAL_THRESHOLD: Final = 0.02
# The share of false ones that is allowed among all cases of a page that are called different.
FALSE_DISCOVERY_RATE: Final = 0.05
# A relative difference below this is one of arithmetic: no clock resolves it.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; without one when there were too few blocks.

    `p_value` belongs to a ratio: how probable an estimate at least this far from 1 would be if
    nothing but noise kept it from 1.
    """

    value: float
    low: float | None
    high: float | None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class SumRatio:
    """The ratio of two sums over blocks, both of shape (blocks,), taken in this order."""

    numerators: Floats
    denominators: Floats

    @property
    def value(self) -> float:
        return float(self.numerators.sum() / self.denominators.sum())

    def standard_error(self) -> tuple[float, int]:
        """Of the value's logarithm, by what each block contributes to it; with its freedom."""
        return standard_error(
            self.numerators / self.numerators.sum() - self.denominators / self.denominators.sum()
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """The times of one variant of one case, in seconds per call. The mean is the headline."""

    mean: Estimate
    median_s: float
    p5_s: float
    p95_s: float
    calls: int


@dataclass(frozen=True, slots=True)
class BreakEven:
    """After how many inferences the time spent compiling is paid back; None means never.

    `interval` holds the lower and the upper bound with 95 % confidence, None again for never; it
    is absent when there were too few blocks.
    """

    inferences: int | None
    interval: tuple[int | None, int | None] | None = None


def standard_error(influence: Floats) -> tuple[float, int]:
    """The standard error of a quantity, and its degrees of freedom.

    Args:
        influence: what each pair of blocks contributes to the quantity's error; sums to zero;
            shape (pairs,). A last pair without a partner is a round of its own.
    """
    rounds = np.add.reduceat(influence, np.arange(0, influence.size, ROUND_PAIRS))
    freedom = rounds.size - 1
    return math.sqrt(float((rounds**2).sum()) * rounds.size / freedom), freedom


def estimate(value: float, error: float, freedom: float) -> Estimate:
    """A ratio with the interval and the p-value that Student's t gives its logarithm.

    Args: error, freedom: the standard error of the logarithm, and its degrees of freedom.
    """
    margin = error * _quantile(freedom)
    distance = abs(math.log(value))
    if error <= _ROUNDING:  # every round alike
        p_value = float(distance <= _ROUNDING)
    else:
        p_value = float(2 * stdtr(freedom, -distance / error))
    return Estimate(value, value * math.exp(-margin), value * math.exp(margin), p_value)


def summarise(blocks: Blocks | Times) -> Summary:
    """Describe one variant.

    Args:
        blocks: seconds per call, shape (blocks, calls), in the order taken; calls may differ.
    Raises: ValueError: no sample at all.
    """
    times = Times.of(blocks)
    p5_s, median_s, p95_s = percentiles(times.samples_s, (0.05, 0.5, 0.95))
    mean = _ratio_ofsums(times.sums_s, times.calls)
    return Summary(
        mean=Estimate(mean.value, mean.low, mean.high),
        median_s=median_s,
        p5_s=p5_s,
        p95_s=p95_s,
        calls=times.samples_s.size,
    )


def percentiles(values: Floats, shares: Sequence[float]) -> list[float]:
    """What `np.percentile` gives, to the last bit, in a fifth of its time for a few hundred values.

    Args: values: shape (values,); shares: between 0 and 1.
    Raises: ValueError: no value at all.
    """
    if not values.size:
        raise ValueError("no value at all")
    ordered = np.sort(values)
    return [_interpolated(ordered, (ordered.size - 1) * share) for share in shares]


def median(values: npt.NDArray[Number]) -> float:
    """The value in the middle, or the mean of both; not from NumPy for the same reason.

    Args: values: shape (values,), at least one.
    """
    ordered, middle = np.sort(values), values.size // 2
    if values.size % 2:
        return float(ordered[middle])
    return float((ordered[middle - 1] + ordered[middle]) / 2)


def _interpolated(ordered: Floats, place: float) -> float:
    """A value between two neighbours, counted from the nearer one as NumPy does."""
    index = math.floor(place)
    low, high = float(ordered[index]), float(ordered[min(index + 1, ordered.size - 1)])
    share = place - index
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def speed_up(eager: Blocks | Times, compiled: Blocks | Times) -> Estimate:
    """Estimate how many times faster the compiled model runs: the ratio of mean times.

    Args:
        eager, compiled: seconds per call, shape (blocks, calls); the n-th block of one was taken
            next to the n-th block of the other and has as many calls.
    Returns: a ratio without unit; above 1, compiling helped.
    Raises: ValueError: the blocks do not pair up.
    """
    before, after = _paired(eager, compiled)
    return _ratio_ofsums(before.sums_s, after.sums_s)


def time_saved(ratio: Estimate) -> Estimate:
    """The published page's percentage: the share of eager time that compiling saves.

    A speed-up of 2 saves half of the time; below 1 the share is negative.
    """
    low, high = ratio.low, ratio.high
    return Estimate(
        1 - 1 / ratio.value,
        None if low is None else 1 - 1 / low,
        None if high is None else 1 - 1 / high,
    )


def decide(
    ratio: Estimate, threshold: float = PRACTICAL_THRESHOLD, adjusted_p: float | None = None
) -> Decision:
    """Say what the data support.

    Faster or slower: the interval excludes 1, the estimate differs from 1 by more than the
    threshold, and the p-value stays small when it is adjusted for all cases of a page. Same: the
    whole interval lies within PRACTICAL_THRESHOLD, which a noisy host does not widen: what cannot
    be told apart there is not equal yet. Otherwise unclear.

    Args:
        threshold: of this host; never below PRACTICAL_THRESHOLD.
        adjusted_p: from `multiplicity.adjusted`; None judges the case by itself.
    """
    if ratio.low is None or ratio.high is None:
        return "unclear"
    discovered = adjusted_p is None or adjusted_p <= FALSE_DISCOVERY_RATE
    if discovered and ratio.low > 1 and ratio.value > 1 + threshold:
        return "faster"
    if discovered and ratio.high < 1 and ratio.value < 1 / (1 + threshold):
        return "slower"
    same = 1 + PRACTICAL_THRESHOLD
    return "same" if ratio.low >= 1 / same and ratio.high <= same else "unclear"


def break_even(
    warm_up_s: Iterable[float], eager: Blocks | Times, compiled: Blocks | Times
) -> BreakEven:
    """Count the inferences, from the first one on, after which compiling has paid for itself.

    The interval is that of the share of the price which one inference pays back: unlike its
    inverse, the count, it passes smoothly through zero, where "never" begins.

    Args:
        warm_up_s: seconds of the first compiled calls, the compiling one included. What they took
            longer than later compiled calls is the price, however many of them there are.
        eager, compiled: as for `speed_up`, from whose rounds the interval comes.
    """
    before, after = _paired(eager, compiled)
    warm_up = tuple(warm_up_s)
    calls = before.calls
    total = calls.sum()
    eager_sums, compiled_sums = before.sums_s, after.sums_s
    eager_s, compiled_s = eager_sums.sum() / total, compiled_sums.sum() / total
    gain_s = float(eager_s - compiled_s)
    price_s = math.fsum(warm_up) - len(warm_up) * float(compiled_s)
    if price_s <= 0:
        return BreakEven(0 if gain_s > 0 else None)
    rate = gain_s / price_s
    if calls.size < MIN_BLOCKS:
        return BreakEven(_inferences(rate))
    eager_part = (eager_sums - eager_s * calls) / total
    compiled_part = (compiled_sums - compiled_s * calls) / total * (1 - len(warm_up) * rate)
    margin = _margin((eager_part - compiled_part) / price_s)
    return BreakEven(_inferences(rate), (_inferences(rate + margin), _inferences(rate - margin)))


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """The mean for ratios: 2x and 0.5x average to 1x. None of nothing."""
    if not ratios:
        return None
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def _paired(eager: Blocks | Times, compiled: Blocks | Times) -> tuple[Times, Times]:
    before, after = Times.of(eager), Times.of(compiled)
    if not np.array_equal(before.calls, after.calls):
        raise ValueError("eager and compiled blocks do not pair up")
    return before, after


def _inferences(rate: float) -> int | None:
    """How many payments of this share make the whole price."""
    return math.ceil(1 / rate) if rate > 0 else None


def _ratio_ofsums(numerators: Floats, denominators: Floats) -> Estimate:
    """sum(numerators) / sum(denominators) over pairs; both of shape (blocks,)."""
    ratio = SumRatio(numerators, denominators)
    if numerators.size < MIN_BLOCKS:
        return Estimate(ratio.value, None, None)
    return estimate(ratio.value, *ratio.standard_error())


def _margin(influence: Floats) -> float:
    """Half the width of the interval of a quantity whose errors are these, pair by pair."""
    error, freedom = standard_error(influence)
    return error * _quantile(freedom)


@functools.lru_cache(maxsize=1024)
def _quantile(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))

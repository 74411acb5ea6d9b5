"""Turns repeated timings into a speed-up with an interval, a verdict and a break-even.

Works on plain floats; knows nothing of GPUs, records or files. The interval is a paired block
bootstrap with bias correction and acceleration (BCa; Efron & Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 14). It is written out here because one matrix product per case does what
`scipy.stats.bootstrap` does in a call of its own, and importing scipy.stats costs more than the
whole page; a test holds the two against each other. Resampling is seeded: the same records give
the same page, to the byte.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Floats: TypeAlias = npt.NDArray[np.float64]
Blocks: TypeAlias = Sequence[Sequence[float]]
Decision: TypeAlias = Literal["faster", "slower", "same", "unclear"]

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000
SEED: Final = 20230622
# Fewer block pairs than this carry no interval: resampling 4 pairs has only 35 distinct outcomes.
MIN_BLOCKS: Final = 5
# A difference below this is not worth a change in a deployment, however certain it is.
PRACTICAL_THRESHOLD: Final = 0.02


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; without one when there were too few blocks."""

    value: float
    low: float | None
    high: float | None


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
    """After how many inferences the time spent compiling is paid back; None means never."""

    inferences: int | None


def summarise(blocks: Blocks) -> Summary:
    """Describe one variant.

    Args:
        blocks: seconds per call, shape (blocks, calls), in the order taken; calls may differ.
    Raises: ValueError: no sample at all.
    """
    samples = np.concatenate([np.asarray(block, dtype=np.float64) for block in blocks])
    p5_s, median_s, p95_s = np.percentile(samples, [5, 50, 95])
    sizes = np.asarray([len(block) for block in blocks], dtype=np.float64)
    return Summary(
        mean=_ratio_of_sums(_sums(blocks), sizes),
        median_s=float(median_s),
        p5_s=float(p5_s),
        p95_s=float(p95_s),
        calls=samples.size,
    )


def speed_up(eager: Blocks, compiled: Blocks) -> Estimate:
    """Estimate how many times faster the compiled model runs: the ratio of mean times.

    Args:
        eager, compiled: seconds per call, shape (blocks, calls); the n-th block of one was taken
            next to the n-th block of the other and has as many calls.
    Returns: a ratio without unit; above 1, compiling helped.
    Raises: ValueError: the blocks do not pair up.
    """
    if [len(block) for block in eager] != [len(block) for block in compiled]:
        raise ValueError("eager and compiled blocks do not pair up")
    return _ratio_of_sums(_sums(eager), _sums(compiled))


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


def decide(ratio: Estimate, threshold: float = PRACTICAL_THRESHOLD) -> Decision:
    """Say what the data support.

    Faster or slower: the interval excludes 1 *and* the estimate differs from 1 by more than the
    practical threshold. Same: the whole interval lies within the threshold. Otherwise unclear.
    """
    if ratio.low is None or ratio.high is None:
        return "unclear"
    bound = 1 + threshold
    if ratio.low > 1 and ratio.value > bound:
        return "faster"
    if ratio.high < 1 and ratio.value < 1 / bound:
        return "slower"
    if ratio.low >= 1 / bound and ratio.high <= bound:
        return "same"
    return "unclear"


def break_even(
    warm_up_s: Iterable[float], eager_mean_s: float, compiled_mean_s: float
) -> BreakEven:
    """Count the inferences after which compiling has paid for itself.

    Args:
        warm_up_s: seconds of the first compiled calls, the compiling one included. What they took
            longer than eager calls would have taken is the price.
    """
    gain_s = eager_mean_s - compiled_mean_s
    if gain_s <= 0:
        return BreakEven(None)
    price_s = math.fsum(call_s - eager_mean_s for call_s in warm_up_s)
    return BreakEven(max(0, math.ceil(price_s / gain_s)))


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """The mean for ratios: 2x and 0.5x average to 1x. None of nothing."""
    if not ratios:
        return None
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def _sums(blocks: Blocks) -> Floats:
    return np.asarray([math.fsum(block) for block in blocks], dtype=np.float64)


def _ratio_of_sums(numerators: Floats, denominators: Floats) -> Estimate:
    """Bootstrap sum(numerators) / sum(denominators) over pairs; both of shape (blocks,)."""
    value = float(numerators.sum() / denominators.sum())
    count = numerators.size
    if count < MIN_BLOCKS:
        return Estimate(value, None, None)
    draws = _draws(count)
    resampled = (draws @ numerators) / (draws @ denominators)
    left_out = (numerators.sum() - numerators) / (denominators.sum() - denominators)
    low, high = _bca_interval(value, resampled, left_out)
    return Estimate(value, low, high)


@functools.lru_cache(maxsize=8)
def _draws(count: int) -> Floats:
    """How often each of `count` blocks is drawn in each resample; shape (RESAMPLES, count)."""
    generator = np.random.default_rng(SEED)
    return generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(
        np.float64
    )


def _bca_interval(value: float, resampled: Floats, left_out: Floats) -> tuple[float, float]:
    """Bias-corrected and accelerated bounds from resampled and leave-one-out estimates."""
    deviations = left_out.mean() - left_out
    spread = float((deviations**2).sum())
    if spread <= (1e-15 * value) ** 2:  # every block alike: nothing to resample
        return value, value
    acceleration = float((deviations**3).sum()) / (6 * spread**1.5)
    # Ties count half, and the share stays inside (0, 1), where the normal quantile is finite.
    below = float((resampled < value).mean() + (resampled == value).mean() / 2)
    bias = float(ndtri(min(max(below, 1 / RESAMPLES), 1 - 1 / RESAMPLES)))
    tails = ndtri(np.asarray([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    shifted = ndtr(bias + (bias + tails) / (1 - acceleration * (bias + tails)))
    low, high = np.quantile(resampled, shifted)
    return float(low), float(high)

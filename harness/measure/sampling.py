"""Which block is taken next, and when there are enough: the sampling schedule of one case (pure).

Blocks of both variants alternate as A B B A, so that a linear drift of the machine falls on both
alike. A case may end early once the interval of its speed-up is narrow enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, fmean
from typing import Final

from harness.contract.records import Block
from harness.contract.vocabulary import Variant

# Never judge the spread of a speed-up by fewer pairs of blocks, nor by less than a third of them.
MIN_PAIRS: Final = 10
MIN_SHARE: Final = 3
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Slot:
    """The next block to take: so many consecutive calls of one variant."""

    variant: Variant
    calls: int


def schedule(iterations: int, max_blocks: int) -> tuple[Slot, ...]:
    """Spread `iterations` calls per variant over at most `max_blocks` blocks each, as A B B A.

    Block sizes differ by one call at most, and the n-th block of both variants is equally long.
    """
    pairs = min(iterations, max_blocks)
    size, larger = divmod(iterations, pairs)
    slots: list[Slot] = []
    for pair in range(pairs):
        calls = size + (pair < larger)
        order: tuple[Variant, Variant] = ("eager", "compiled")
        slots += [Slot(variant, calls) for variant in (order if pair % 2 == 0 else order[::-1])]
    return tuple(slots)


def least_pairs(pairs: int) -> int:
    """How many pairs of blocks a case takes before it may end early, of so many planned."""
    return max(MIN_PAIRS, pairs // MIN_SHARE)


@dataclass(slots=True)
class Sampling:
    """Takes the slots of a schedule in order, and leaves the rest when `until` is reached.

    `until` is the width of the speed-up's 95 % interval as a share of the speed-up. It is looked
    at after whole A B B A only, so that an early end keeps what the order is for.
    """

    slots: tuple[Slot, ...]
    until: float | None = None
    taken: list[Block] = field(default_factory=list)

    def next(self) -> Slot | None:
        """The slot to take now; None when there are enough blocks."""
        if len(self.taken) == len(self.slots) or self._is_narrow_enough():
            return None
        return self.slots[len(self.taken)]

    @property
    def stopped_early(self) -> bool:
        return len(self.taken) < len(self.slots)

    def _is_narrow_enough(self) -> bool:
        whole, rest = divmod(len(self.taken), 4)
        if self.until is None or rest or 2 * whole < least_pairs(len(self.slots) // 2):
            return False
        return relative_width(*block_sums(self.taken)) <= self.until


def block_sums(blocks: Sequence[Block]) -> tuple[list[float], list[float]]:
    """Seconds of each block, eager and compiled: the n-th of both are a pair."""
    eager, compiled = (
        [sum(block.samples_s) for block in blocks if block.variant == variant]
        for variant in ("eager", "compiled")
    )
    return eager, compiled


def relative_width(eager: Sequence[float], compiled: Sequence[float]) -> float:
    """Width of the 95 % interval of sum(eager) / sum(compiled), as a share of that ratio.

    That of the page, written without numpy: Student's t on the linearised ratio (Cochran, Sampling
    Techniques, 1977, section 6.3), over rounds A B B A, which are two neighbouring pairs each.
    """
    pairs = range(0, len(eager), 2)
    before = [sum(eager[pair : pair + 2]) for pair in pairs]
    after = [sum(compiled[pair : pair + 2]) for pair in pairs]
    ratio = sum(before) / sum(after)
    residuals = (e - ratio * c for e, c in zip(before, after, strict=True))
    freedom = len(pairs) - 1
    variance = sum(residual**2 for residual in residuals) / freedom
    error = math.sqrt(variance / len(pairs)) / fmean(after)
    return 2 * t_quantile((1 + CONFIDENCE) / 2, freedom) * error / ratio


def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t, to 1e-3 from 4 degrees of freedom on.

    The expansion of Abramowitz and Stegun, 26.7.5; scipy.stats would take half a second to load
    in every case.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))

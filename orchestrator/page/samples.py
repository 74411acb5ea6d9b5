"""Raw samples -> what the page draws of them (pure).

A page of 432 cases has 259,200 samples, and a plot is about 220 pixels high. Each sample is
therefore kept as one byte: its place between the fastest and the slowest call of its case, in
steps of 1/127 of that range, or of 1/63, about the height of a dot, where the calls of a variant
scatter over much of it. From that the middle of its variant is taken, so that what is left is
small and packs well. The records keep every sample as it was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from orchestrator.compare.comparison import Row
from orchestrator.compare.measured import Layout, Timings
from orchestrator.statistics.statistics import median

# Beyond this many samples a page keeps the mean of each block: 10,000 cases would take 6 million.
MAX_SAMPLES: Final = 300_000
# In how many steps a range is cut: more, unless the mean distance from the middle exceeds some of
# them. No page then takes more than about 5.5 bits for a sample.
_FINE: Final = 127
_COARSE: Final = 63
_WIDE: Final = 8
# Of the fastest and the slowest call: a hundredth of a step where they differ by a thousandth.
_DIGITS: Final = 7

# A layout's place, the fastest and the slowest call of a case in seconds, the number of steps
# between them, and in steps the middle of its eager and of its compiled calls.
Scaled: TypeAlias = tuple[int, float, float, int, int, int]


@dataclass(frozen=True, slots=True)
class Packed:
    """The samples of a page: a byte each, all cases one after the other, modulo 256 the distance
    from the middle of their variant.

    `layouts` are block sequences such as "e10 c10 c10 e10", eager and compiled in the order taken;
    `cases` has None for a row without samples. With `means_only` a block has one value, its mean.
    """

    means_only: bool
    layouts: tuple[str, ...]
    cases: tuple[Scaled | None, ...]
    steps: bytes


def pack(rows: Sequence[Row]) -> Packed:
    """Pack the samples of all rows, in their order."""
    timings = [None if row.measurement is None else row.measurement.timings for row in rows]
    means_only = sum(len(each.samples_s) for each in timings if each) > MAX_SAMPLES
    layouts: dict[Layout, int] = {}
    cases: list[Scaled | None] = []
    steps: list[bytes] = []
    for each in timings:
        if each is None:
            cases.append(None)
            continue
        place = layouts.setdefault(each.layout, len(layouts))
        case, left = _scaled(place, each, means_only=means_only)
        cases.append(case)
        steps.append(left)
    words = tuple(_words(layout, means_only=means_only) for layout in layouts)
    return Packed(means_only, words, tuple(cases), b"".join(steps))


def _means(timings: Timings) -> npt.NDArray[np.float64]:
    """The mean of each block in seconds, shape (blocks,)."""
    calls = np.array([calls for _, calls in timings.layout])
    starts = np.cumsum(calls) - calls
    return np.asarray(np.add.reduceat(np.frombuffer(timings.samples_s), starts) / calls)


def _words(layout: Layout, *, means_only: bool) -> str:
    return " ".join(f"{variant[0]}{1 if means_only else calls}" for variant, calls in layout)


def _scaled(place: int, timings: Timings, *, means_only: bool) -> tuple[Scaled, bytes]:
    samples_s = _means(timings) if means_only else np.frombuffer(timings.samples_s)
    low, high = float(samples_s.min()), float(samples_s.max())
    calls = [1 if means_only else calls for _, calls in timings.layout]
    is_eager = np.repeat([variant == "eager" for variant, _ in timings.layout], calls)
    share = (samples_s - low) / ((high - low) or 1.0)
    most = _FINE
    middles, left = _from_the_middles(share, most, is_eager)
    if np.abs(left).mean() > _WIDE:
        most = _COARSE
        middles, left = _from_the_middles(share, most, is_eager)
    scaled = (place, _rounded(low), _rounded(high), most, *middles)
    return scaled, left.astype(np.uint8).tobytes()


def _from_the_middles(
    share: npt.NDArray[np.float64], most: int, is_eager: npt.NDArray[np.bool_]
) -> tuple[tuple[int, int], npt.NDArray[np.int64]]:
    """The middle of the eager and of the compiled calls, and how far each call is from its own."""
    steps = np.rint(share * most).astype(np.int64)
    eager, compiled = int(median(steps[is_eager])), int(median(steps[~is_eager]))
    return (eager, compiled), steps - np.where(is_eager, eager, compiled)


def _rounded(time_s: float) -> float:
    return float(f"{time_s:.{_DIGITS}g}")

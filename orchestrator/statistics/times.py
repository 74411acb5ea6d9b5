"""The calls of one variant of a case, in the blocks that they were taken in, added up once (pure).

A case asks for the sums of its blocks five times: for both means, the speed-up and both counts of
inferences that pay compiling back. Adding up without rounding takes longer than all the rest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
# Seconds per call, shape (blocks, calls), in the order taken; calls may differ from block to block.
Blocks: TypeAlias = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Seconds of each call, shape (calls,); how many calls each block has, and their seconds,
    both of shape (blocks,)."""

    samples_s: Floats
    calls: Floats
    sums_s: Floats

    @classmethod
    def of(cls, blocks: Blocks | Times) -> Times:
        """Of blocks, or what was made of them already."""
        if isinstance(blocks, Times):
            return blocks
        return cls(
            np.fromiter(itertools.chain.from_iterable(blocks), np.float64),
            np.fromiter(map(len, blocks), np.float64),
            np.fromiter(map(math.fsum, blocks), np.float64),
        )

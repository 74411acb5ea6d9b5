"""Raw samples -> what the page draws of them (pure).

A page of 432 cases has 259,200 samples, and a plot is about 220 pixels high. Each sample is
therefore kept as one byte: its place between the fastest and the slowest call of its case, in
steps of 1/127 of that range. The records keep every sample as it was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from harness.records import Block
from orchestrator.comparison import Row

# Beyond this many samples a page keeps the mean of each block: 10,000 cases would take 6 million.
MAX_SAMPLES: Final = 300_000
_STEPS: Final = 127

# A layout's place, and the fastest and the slowest call of a case in seconds.
Scaled: TypeAlias = tuple[int, float, float]


@dataclass(frozen=True, slots=True)
class Packed:
    """The samples of a page: a byte each, all cases one after the other.

    `layouts` are block sequences such as "e10 c10 c10 e10", eager and compiled in the order taken;
    `cases` has None for a row without samples. With `means_only` a block has one value, its mean.
    """

    means_only: bool
    layouts: tuple[str, ...]
    cases: tuple[Scaled | None, ...]
    steps: bytes


def pack(rows: Sequence[Row]) -> Packed:
    """Pack the samples of all rows, in their order."""
    means_only = sum(_number(row) for row in rows) > MAX_SAMPLES
    layouts: dict[str, int] = {}
    cases: list[Scaled | None] = []
    steps: list[bytes] = []
    for row in rows:
        if row.measurement is None:
            cases.append(None)
            continue
        case, packed = _pack_case(row.measurement.blocks, layouts, means_only=means_only)
        cases.append(case)
        steps.append(packed)
    return Packed(means_only, tuple(layouts), tuple(cases), b"".join(steps))


def _number(row: Row) -> int:
    blocks: Iterable[Block] = () if row.measurement is None else row.measurement.blocks
    return sum(len(block.samples_s) for block in blocks)


def _pack_case(
    blocks: Sequence[Block], layouts: dict[str, int], *, means_only: bool
) -> tuple[Scaled, bytes]:
    of_blocks = [
        (float(np.mean(block.samples_s)),) if means_only else block.samples_s for block in blocks
    ]
    pairs = zip(blocks, of_blocks, strict=True)
    layout = " ".join(f"{block.variant[0]}{len(values)}" for block, values in pairs)
    samples = np.concatenate([np.asarray(values) for values in of_blocks])
    low, high = float(samples.min()), float(samples.max())
    steps = np.rint((samples - low) / ((high - low) or 1.0) * _STEPS).astype(np.uint8)
    return (layouts.setdefault(layout, len(layouts)), low, high), steps.tobytes()

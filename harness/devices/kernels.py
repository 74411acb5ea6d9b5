"""What a profiler saw a device do, as stretches of time (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Stretch: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Trace:
    """Consecutive calls of one function: from when to when the device ran each kernel or copy, in
    seconds of its own clock, and how many CUDA graphs the host launched."""

    calls: int
    stretches: tuple[Stretch, ...]
    graph_launches: int = 0

    @property
    def busy_s(self) -> float:
        """Seconds per call in which the device ran anything; 0 where the profiler saw nothing."""
        return covered_s(self.stretches) / self.calls


def covered_s(stretches: Iterable[Stretch]) -> float:
    """The length of the union: what ran at the same time counts once, and gaps do not count."""
    total_s, reached_s = 0.0, float("-inf")
    for start_s, end_s in sorted(stretches):
        total_s += max(end_s - max(start_s, reached_s), 0.0)
        reached_s = max(reached_s, end_s)
    return total_s

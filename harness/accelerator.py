"""A device that works through a queue, as far as the clocks need to know one.

The seam between measuring and CUDA: `harness.cuda` is the real one, tests simulate another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.kernels import Trace


class Event(Protocol):
    """A mark in the device's queue, stamped by the device when it gets there."""

    def record(self) -> None:
        """Put the mark at the end of the queue."""

    def query(self) -> bool:
        """Whether the device has passed the mark."""
        ...

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to a later one, both passed."""
        ...


class Accelerator(Protocol):
    """A device with one queue in order."""

    def event(self) -> Event: ...

    def synchronize(self) -> None:
        """Wait until the queue is empty."""

    def sleep(self, cycles: int) -> None:
        """Enqueue work that keeps the device busy for so many of its clock cycles."""

    def trace(self, call: Callable[[], object], calls: int) -> Trace:
        """Make so many calls under a profiler. Its stretches are empty where there is none."""
        ...

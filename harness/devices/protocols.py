"""What measuring needs of a device: time, its state, and of one with a queue events and kernels.

The seam between measuring and a device: `harness.devices.cuda` is one, tests simulate others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from harness.contract.records import BlockTelemetry
from harness.contract.vocabulary import ClockName
from harness.devices.kernels import Trace

Call: TypeAlias = Callable[[], object]
Now: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of consecutive calls: wall time and, on a device with a queue, the time between two
    events around each call and the time until the call returned."""

    samples_s: tuple[float, ...]
    device_s: tuple[float, ...] | None = None
    enqueue_s: tuple[float, ...] | None = None


class Clock(Protocol):
    """Times consecutive calls of one function, each to the end of the work it caused."""

    @property
    def name(self) -> ClockName: ...

    def time(self, call: Call, calls: int) -> Times: ...


class Monitor(Protocol):
    """Knows the state of the device over time. Asked between blocks only."""

    def between(self, start_s: float, end_s: float) -> BlockTelemetry | None:
        """What was seen from one time of the monotonic clock to another; None if nothing was."""
        ...

    def has_looked_since(self, start_s: float) -> bool:
        """Whether the device was looked at after this time; true where nobody ever looks."""
        ...


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

"""A clock whose times are the input: it calls nothing and gives what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from harness.devices.protocols import Call, Times


def eager() -> None:
    """Stands for the eager model; never called for real."""


def compiled() -> None:
    """Stands for the compiled model."""


class FakeClock:
    """Gives each function its own sequence of seconds, in order."""

    name: Literal["cpu"] = "cpu"

    def __init__(self, seconds: dict[Callable[[], object], Iterable[float]]) -> None:
        self._seconds: dict[Callable[[], object], Iterator[float]] = {
            call: iter(times) for call, times in seconds.items()
        }
        self.calls: list[Callable[[], object]] = []

    def time(self, call: Call, calls: int) -> Times:
        self.calls += [call] * calls
        return Times(tuple(next(self._seconds[call]) for _ in range(calls)))

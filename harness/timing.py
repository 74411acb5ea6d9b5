"""The sampling schedule: which variant is called when, and how long before it counts.

Knows neither torch nor a device; time comes through the Clock protocol, so a test can hand in the
very times that a schedule will see. Interleaving in the order A B B A makes a linear drift of the
machine fall on both variants alike.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from harness import plan
from harness.records import Block
from harness.vocabulary import ClockName, Variant

Call: TypeAlias = Callable[[], object]

STABLE_WINDOW: Final = 10
STABLE_CHANGE: Final = 0.05
OVERHEAD_CALLS: Final = 200


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of consecutive calls: wall time and, on a device with events, device time."""

    samples_s: tuple[float, ...]
    device_s: tuple[float, ...] | None = None


class Clock(Protocol):
    """Times consecutive calls of one function, each to the end of the work it caused."""

    @property
    def name(self) -> ClockName: ...

    def time(self, call: Call, calls: int) -> Times: ...


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


def measure(slots: tuple[Slot, ...], calls: Mapping[Variant, Call], clock: Clock) -> list[Block]:
    """Take all blocks in order, with the garbage collector off."""
    blocks: list[Block] = []
    with no_garbage_collection():
        for slot in slots:
            times = clock.time(calls[slot.variant], slot.calls)
            blocks.append(
                Block(variant=slot.variant, samples_s=times.samples_s, device_s=times.device_s)
            )
    return blocks


def warm_up(call: Call, clock: Clock, protocol: plan.Protocol) -> tuple[tuple[float, ...], bool]:
    """Call until times are stable, at least as long as the protocol asks and never longer than
    it allows.

    Returns: the seconds of every call, and whether the last ones were stable.
    """
    samples: list[float] = []
    while True:
        samples += clock.time(call, 1).samples_s
        spent_s = sum(samples)
        enough = len(samples) >= protocol.warmup_min_calls and spent_s >= protocol.warmup_min_s
        stable = is_stable(samples)
        capped = len(samples) >= protocol.warmup_max_calls or spent_s >= protocol.warmup_max_s
        if capped or (enough and stable):
            return tuple(samples), stable


def is_stable(samples: list[float]) -> bool:
    """Whether the median of the last calls is within 5 % of that of the calls before them.

    Windows are ten calls long, shorter when there are fewer than twenty, never below two.
    """
    window = min(STABLE_WINDOW, len(samples) // 2)
    if window < 2:
        return False
    before = statistics.median(samples[-2 * window : -window])
    last = statistics.median(samples[-window:])
    return abs(last / before - 1) <= STABLE_CHANGE


def overhead_s(clock: Clock) -> float:
    """Mean seconds per call that the timing loop itself adds: a no-op through the same clock."""
    return statistics.fmean(clock.time(_nothing, OVERHEAD_CALLS).samples_s)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect now, so that no collection falls into a timed call."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _nothing() -> None:
    return None

"""Calls functions and takes their times: warming up, blocks in the order of a schedule, overhead.

Knows neither torch nor a device; time comes through the Clock protocol and the state of the device
through the Monitor protocol, so a test can hand in what a measurement will see.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from harness.contract import plan
from harness.contract.records import Block
from harness.contract.vocabulary import Variant
from harness.devices.protocols import Call, Clock, Monitor
from harness.measure.sampling import Sampling, Slot

Pause: TypeAlias = Callable[[float], None]

STABLE_WINDOW: Final = 10
STABLE_CHANGE: Final = 0.05
OVERHEAD_CALLS: Final = 200
# How long a throttled device may recover before its block is taken again (nvbench).
FIRST_PAUSE_S: Final = 0.05
PAUSE_GROWTH: Final = 1.5
# How long a block that was taken again may wait to be looked at: a few periods of the sampler.
LOOK_LIMIT_S: Final = 0.5


def lead_in(calls: Mapping[Variant, Call], clock: Clock) -> None:
    """One round of single calls that count for nothing.

    After a garbage collection or a pause the first calls find cold caches. They would all fall on
    the variant that begins, and an A/A case of few calls would differ from itself.
    """
    order: tuple[Variant, ...] = ("eager", "compiled", "compiled", "eager")
    for variant in order:
        clock.time(calls[variant], 1)


def measure(
    sampling: Sampling,
    calls: Mapping[Variant, Call],
    clock: Clock,
    monitor: Monitor,
    retakes: int,
    pause: Pause = time.sleep,
) -> None:
    """Take blocks into `sampling` until it has enough, with the garbage collector off.

    A block during which the device was throttled is thrown away and taken again, at most
    `retakes` times; the last attempt counts, whatever disturbed it. Only what was seen after an
    attempt began can condemn that attempt.
    """
    with no_garbage_collection():
        while (slot := sampling.next()) is not None:
            retaken = 0
            block = _take(slot, calls[slot.variant], clock, monitor)
            while is_disturbed(block) and retaken < retakes:
                pause(FIRST_PAUSE_S * PAUSE_GROWTH**retaken)
                retaken += 1
                block = _take_again(slot, calls[slot.variant], clock, monitor)
            sampling.taken.append(block.model_copy(update={"retaken": retaken}))


def _take(slot: Slot, call: Call, clock: Clock, monitor: Monitor) -> Block:
    start_s = time.monotonic()
    block = _timed(slot, call, clock)
    return block.model_copy(update={"telemetry": monitor.between(start_s, time.monotonic())})


def _take_again(slot: Slot, call: Call, clock: Clock, monitor: Monitor) -> Block:
    """A block, and as many calls behind it as it takes until the device has been looked at under
    this load: what was seen before belongs to the attempt that was thrown away."""
    start_s = time.monotonic()
    block = _timed(slot, call, clock)
    give_up_s = time.monotonic() + LOOK_LIMIT_S
    while not (seen := monitor.has_looked_since(start_s)) and time.monotonic() < give_up_s:
        clock.time(call, 1)
    telemetry = monitor.between(start_s, time.monotonic()) if seen else None
    return block.model_copy(update={"telemetry": telemetry})


def _timed(slot: Slot, call: Call, clock: Clock) -> Block:
    times = clock.time(call, slot.calls)
    return Block(
        variant=slot.variant,
        samples_s=times.samples_s,
        device_s=times.device_s,
        enqueue_s=times.enqueue_s,
    )


def is_disturbed(block: Block) -> bool:
    """Whether heat or the hardware's protection slowed the device down.

    A power cap is no disturbance: a 70 W T4 sits at it whenever it works.
    """
    return block.telemetry is not None and any(
        "slowdown" in reason for reason in block.telemetry.throttle
    )


def warm_up(call: Call, clock: Clock, protocol: plan.Protocol) -> tuple[tuple[float, ...], bool]:
    """Call until times are stable, at least as long as the protocol asks and never longer than
    it allows, with the garbage collector off.

    Returns: the seconds of every call, and whether the last ones were stable.
    """
    samples: list[float] = []
    with no_garbage_collection():
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
    """No collection falls into a timed call. Nothing is collected on the way in either: that takes
    a quarter of a second with torch loaded, and leaves cold caches to the first call."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _nothing() -> None:
    return None

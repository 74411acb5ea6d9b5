"""The two real clocks. On a GPU every call is followed by a synchronisation, because a call
returns long before its work is done.

One timed call gives three times: wall time of the call with its synchronisation, the time until
the call returned (the host enqueued its work), and the time between two device events around it.
Events and lists are made, and events first recorded, before the timed region. The wall clock starts
behind the first event and so holds the recording of one event, the last, which cannot be left out.
"""

from __future__ import annotations

from time import perf_counter
from typing import Literal

from harness.devices.protocols import Accelerator, Call, Event, Now, Times


class CpuClock:
    """Wall time of each call. A CPU has no queue: enqueueing and running are the same."""

    name: Literal["cpu"] = "cpu"

    def time(self, call: Call, calls: int) -> Times:
        samples_s = [0.0] * calls
        for index in range(calls):
            start_s = perf_counter()
            call()
            samples_s[index] = perf_counter() - start_s
        return Times(tuple(samples_s))


class DeviceClock:
    """Wall, enqueue and device time of each call on a device that works through a queue."""

    name: Literal["cuda"] = "cuda"

    def __init__(self, device: Accelerator, now: Now = perf_counter) -> None:
        self._device = device
        self._now = now
        self._events: list[tuple[Event, Event]] = []

    def time(self, call: Call, calls: int) -> Times:
        events = self._reserve(calls)
        samples_s, enqueue_s = [0.0] * calls, [0.0] * calls
        now, synchronize = self._now, self._device.synchronize
        synchronize()
        for index, (first, last) in enumerate(events):
            first.record()
            start_s = now()
            call()
            returned_s = now()
            last.record()
            synchronize()
            samples_s[index] = now() - start_s
            enqueue_s[index] = returned_s - start_s
        device_s = tuple(first.elapsed_time(last) / 1000 for first, last in events)
        return Times(tuple(samples_s), device_s, tuple(enqueue_s))

    def _reserve(self, calls: int) -> list[tuple[Event, Event]]:
        """Event pairs, recorded once: CUDA allocates an event when it is first recorded."""
        while len(self._events) < calls:
            pair = self._device.event(), self._device.event()
            for event in pair:
                event.record()
            self._events.append(pair)
        return self._events[:calls]

"""The two real clocks. On a GPU every call is followed by a synchronisation, because a call
returns long before its work is done; device events beside it time the device alone."""

from __future__ import annotations

from time import perf_counter
from typing import Literal

import torch

from harness.timing import Call, Clock, Times


class CpuClock:
    """Wall time of each call."""

    name: Literal["cpu"] = "cpu"

    def time(self, call: Call, calls: int) -> Times:
        samples_s = [0.0] * calls
        for index in range(calls):
            start_s = perf_counter()
            call()
            samples_s[index] = perf_counter() - start_s
        return Times(tuple(samples_s))


class CudaClock:
    """Wall time of each call and its synchronisation, and device events around the call.

    Events are allocated before the timed region and reused.
    """

    name: Literal["cuda"] = "cuda"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def time(self, call: Call, calls: int) -> Times:
        events = self._reserve(calls)
        samples_s = [0.0] * calls
        torch.cuda.synchronize(self._device)
        for index, (first, last) in enumerate(events):
            start_s = perf_counter()
            first.record()
            call()
            last.record()
            torch.cuda.synchronize(self._device)
            samples_s[index] = perf_counter() - start_s
        device_s = tuple(first.elapsed_time(last) / 1000 for first, last in events)
        return Times(tuple(samples_s), device_s)

    def _reserve(self, calls: int) -> list[tuple[torch.cuda.Event, torch.cuda.Event]]:
        while len(self._events) < calls:
            self._events.append((_event(), _event()))
        return self._events[:calls]


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def clock_for(device: torch.device) -> Clock:
    """The clock that is right for a device."""
    return CudaClock(device) if device.type == "cuda" else CpuClock()

"""Device-busy time: how long per call the device ran kernels or copies, apart from the timing.

A profiler gives the stretches in which the device worked; their union is what is wanted, without
the gaps between kernels. Where the profiler sees nothing, because its library is missing or may
not be used, a second way remains, which counts the gaps that a device leaves by itself: it is put
to sleep, calls are enqueued behind the sleep between two events, and when it wakes up it works
through them back to back (the method of nvbench's blocking kernel). That counts only if the device
was still asleep when the host had enqueued everything. A queue is finite, about a thousand
launches on CUDA: the host then waits for the device, which shows in the same check, and fewer calls
are tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.contract.vocabulary import Variant
from harness.devices.kernels import Trace
from harness.devices.protocols import Accelerator, Call

ROUNDS: Final = 5
TRACED_CALLS: Final = 3
MAX_CALLS: Final = 10
# Sleep so much longer than enqueueing should take, and this much on top.
MARGIN: Final = 3.0
MIN_SLEEP_S: Final = 0.005
# Beyond this, a longer sleep would not help: the call waits for the device, or overfills the queue.
MAX_SLEEP_S: Final = 2.0
CALIBRATION_CYCLES: Final = 10_000_000
WITH_GAPS: Final = (
    "device-busy time of {} holds the gaps between kernels as well: the profiler saw no kernel"
)
NEVER_AHEAD: Final = (
    "device-busy time of {} is unknown: the profiler saw no kernel, and the host could not enqueue "
    "one call ahead of the device, because the call waits for the device itself or has more "
    "launches than the queue holds"
)


@dataclass(frozen=True, slots=True)
class Busy:
    """Device-busy seconds per call, one value per round, of each variant that has any; how many
    CUDA graphs a compiled call launched, None where nobody saw; and what to know of both."""

    seconds: Mapping[Variant, tuple[float, ...]]
    graph_launches: float | None = None
    notes: tuple[str, ...] = ()


def measure(
    calls: Mapping[Variant, Call], enqueue_s: Mapping[Variant, float], device: Accelerator
) -> Busy:
    """Take the device-busy time of both variants in turn, so that drift falls on both alike. What
    one of them lacks leaves the other's as it is.

    Args:
        enqueue_s: how long the host takes to enqueue one call of each variant, about.
    """
    seconds: dict[Variant, tuple[float, ...]] = {}
    launches: list[float] = []
    for variant, traces in _traced(calls, device).items():
        seconds[variant] = tuple(trace.busy_s for trace in traces)
        if variant == "compiled":
            launches = [trace.graph_launches / trace.calls for trace in traces]
    unseen = {variant: call for variant, call in calls.items() if variant not in seconds}
    queued = _queued(unseen, enqueue_s, device) if unseen else {}
    notes = [(WITH_GAPS if each in queued else NEVER_AHEAD).format(each) for each in unseen]
    return Busy(seconds | queued, sum(launches) / len(launches) if launches else None, tuple(notes))


def _traced(calls: Mapping[Variant, Call], device: Accelerator) -> dict[Variant, list[Trace]]:
    """Traces in which the device did something; none of a variant that has no such trace."""
    taken: dict[Variant, list[Trace]] = {}
    for _ in range(ROUNDS):
        for variant, call in calls.items():
            trace = device.trace(call, TRACED_CALLS)
            if trace.busy_s > 0:
                taken.setdefault(variant, []).append(trace)
    return taken


def _queued(
    calls: Mapping[Variant, Call], enqueue_s: Mapping[Variant, float], device: Accelerator
) -> dict[Variant, tuple[float, ...]]:
    """Seconds per call from the first event to the last, of what the host can enqueue in time."""
    cycles_per_s = _cycles_per_s(device)
    rulers = {
        variant: ruler
        for variant, call in calls.items()
        if (ruler := _Ruler(device, call, enqueue_s[variant], cycles_per_s)).settle()
    }
    taken: dict[Variant, list[float]] = {}
    for _ in range(ROUNDS):
        for variant, ruler in rulers.items():
            if (per_call_s := ruler.take()) is not None:
                taken.setdefault(variant, []).append(per_call_s)
    return {variant: tuple(found) for variant, found in taken.items()}


class _Ruler:
    """Takes the device-busy time of one function, with a batch of calls that fits the queue."""

    def __init__(
        self, device: Accelerator, call: Call, enqueue_s: float, cycles_per_s: float
    ) -> None:
        self._device, self._call = device, call
        self._enqueue_s, self._cycles_per_s = enqueue_s, cycles_per_s
        self._calls = MAX_CALLS
        self._sleep_s = self._first_sleep_s()
        self._first, self._last = device.event(), device.event()

    def settle(self) -> bool:
        """Find a number of calls and a sleep for which the host finishes first, if there are."""
        while self.take() is None:
            if self._calls > 1:
                self._calls //= 2
                self._sleep_s = self._first_sleep_s()
            else:
                self._sleep_s *= 2
            if self._sleep_s > MAX_SLEEP_S:
                return False
        return True

    def take(self) -> float | None:
        """Seconds per call; None if the device woke up before everything was enqueued."""
        self._device.synchronize()
        self._device.sleep(round(self._sleep_s * self._cycles_per_s))
        self._first.record()
        for _ in range(self._calls):
            self._call()
        self._last.record()
        was_asleep = not self._first.query()
        self._device.synchronize()
        return self._first.elapsed_time(self._last) / 1000 / self._calls if was_asleep else None

    def _first_sleep_s(self) -> float:
        return min(MIN_SLEEP_S + MARGIN * self._calls * self._enqueue_s, MAX_SLEEP_S)


def _cycles_per_s(device: Accelerator) -> float:
    """The fastest of three sleeps: a clock that still rises would make sleeps too short."""
    first, last = device.event(), device.event()
    rates = []
    for _ in range(3):
        first.record()
        device.sleep(CALIBRATION_CYCLES)
        last.record()
        device.synchronize()
        rates.append(CALIBRATION_CYCLES * 1000 / first.elapsed_time(last))
    return max(rates)

"""Device-busy time: how long the device works on one call when the host never lets it wait.

The device is put to sleep, calls are enqueued behind the sleep between two events, and when it
wakes up it works through them back to back (the method of nvbench's blocking kernel). The result
counts only if the device was still asleep when the host had enqueued everything. A queue is
finite, about a thousand launches on CUDA: the host then waits for the device, which shows in the
same check, and fewer calls are tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.accelerator import Accelerator
from harness.timing import Call
from harness.vocabulary import Variant

ROUNDS: Final = 5
MAX_CALLS: Final = 10
# Sleep so much longer than enqueueing should take, and this much on top.
MARGIN: Final = 3.0
MIN_SLEEP_S: Final = 0.005
# Beyond this, a longer sleep would not help: the call waits for the device, or overfills the queue.
MAX_SLEEP_S: Final = 2.0
CALIBRATION_CYCLES: Final = 10_000_000
NEVER_AHEAD: Final = (
    "device-busy time is unknown: the host could not enqueue one call ahead of the device, because "
    "the call waits for the device itself or has more launches than the queue holds"
)


@dataclass(frozen=True, slots=True)
class Busy:
    """Device-busy seconds per call, one value per round and variant; None with a reason."""

    eager_s: tuple[float, ...] | None
    compiled_s: tuple[float, ...] | None
    note: str = ""


def measure(
    calls: Mapping[Variant, Call], enqueue_s: Mapping[Variant, float], device: Accelerator
) -> Busy:
    """Take the device-busy time of both variants in turn, so that drift falls on both alike.

    Args:
        enqueue_s: how long the host takes to enqueue one call of each variant, about.
    """
    cycles_per_s = _cycles_per_s(device)
    rulers: dict[Variant, _Ruler] = {
        variant: _Ruler(device, call, enqueue_s[variant], cycles_per_s)
        for variant, call in calls.items()
    }
    if not all(ruler.settle() for ruler in rulers.values()):
        return Busy(None, None, NEVER_AHEAD)
    taken: dict[Variant, list[float]] = {variant: [] for variant in rulers}
    for _ in range(ROUNDS):
        for variant, ruler in rulers.items():
            per_call_s = ruler.take()
            if per_call_s is not None:
                taken[variant].append(per_call_s)
    if not all(taken.values()):
        return Busy(None, None, NEVER_AHEAD)
    return Busy(tuple(taken["eager"]), tuple(taken["compiled"]))


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

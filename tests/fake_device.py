"""A simulated device that works through a queue in virtual time, and the host beside it.

The host's clock moves when it enqueues work or waits; the device starts work when it is free and
the work has been enqueued. The queue holds so many launches: with a full one the host waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from harness.devices.kernels import Trace

EVENT_COST_S = 1e-6
CYCLES_PER_S = 1.5e9


class FakeDevice:
    """`has_profiler` says whether it can be traced; `gap_s` passes idly before each launch, and
    `event_cost_s` is what the host needs to record an event.

    `graph_launches` counts up while a call runs that stands for the replay of a graph.
    """

    def __init__(
        self,
        queue_length: int = 1000,
        cycles_per_s: float = CYCLES_PER_S,
        *,
        has_profiler: bool = True,
        gap_s: float = 0.0,
        event_cost_s: float = EVENT_COST_S,
    ) -> None:
        self.now_s = 100.0
        self.free_s = self.now_s
        self.events_made = 0
        self.event_cost_s = event_cost_s
        self.cycles_per_s = cycles_per_s
        self._queue_length = queue_length
        self._ends_s: deque[float] = deque()
        self._has_profiler = has_profiler
        self._gap_s = gap_s
        self._ran: list[tuple[float, float]] = []
        self.graph_launches = 0

    def now(self) -> float:
        return self.now_s

    def event(self) -> FakeEvent:
        self.events_made += 1
        return FakeEvent(self)

    def synchronize(self) -> None:
        self.now_s = max(self.now_s, self.free_s)

    def sleep(self, cycles: int) -> None:
        self.launch(cycles / self.cycles_per_s)

    def launch(self, busy_s: float, host_s: float = 0.0) -> None:
        """The host spends `host_s` on one launch, the device `busy_s` once it gets there."""
        self.now_s += host_s
        while self._ends_s and self._ends_s[0] <= self.now_s:
            self._ends_s.popleft()
        if len(self._ends_s) >= self._queue_length:
            self.now_s = self._ends_s.popleft()
        start_s = max(self.free_s, self.now_s) + self._gap_s
        self.free_s = start_s + busy_s
        self._ran.append((start_s, self.free_s))
        self._ends_s.append(self.free_s)

    def trace(self, call: Callable[[], object], calls: int) -> Trace:
        self.synchronize()
        self._ran.clear()
        before = self.graph_launches
        for _ in range(calls):
            call()
        self.synchronize()
        if not self._has_profiler:
            return Trace(calls, ())
        return Trace(calls, tuple(self._ran), self.graph_launches - before)

    def kernels(self, number: int, busy_s: float, host_s: float) -> Callable[[], None]:
        """A call of so many kernels; the times are each kernel's."""

        def call() -> None:
            for _ in range(number):
                self.launch(busy_s, host_s)

        return call


class FakeEvent:
    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self.passed_s: float | None = None
        self.records = 0

    def record(self) -> None:
        self._device.now_s += self._device.event_cost_s
        self.passed_s = max(self._device.free_s, self._device.now_s)
        self.records += 1

    def query(self) -> bool:
        assert self.passed_s is not None
        return self.passed_s <= self._device.now_s

    def elapsed_time(self, end_event: FakeEvent) -> float:
        assert self.passed_s is not None
        assert end_event.passed_s is not None
        return (end_event.passed_s - self.passed_s) * 1000

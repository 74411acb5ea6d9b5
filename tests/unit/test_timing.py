from __future__ import annotations

import gc
import itertools

import pytest

from harness.contract.plan import Protocol
from harness.contract.records import Block, BlockTelemetry
from harness.devices.protocols import Call, Monitor, Times
from harness.measure import timing
from harness.measure.sampling import Sampling, schedule
from tests.fake_clock import FakeClock, compiled, eager

PATIENT = Protocol(warmup_min_calls=20, warmup_min_s=2.0, warmup_max_calls=300, warmup_max_s=60.0)


class FakeMonitor:
    """Has seen these throttle reasons, one list per attempt at a block; each time it is asked for
    another attempt it first has not looked for so many questions."""

    def __init__(self, *throttle: list[str], blind_for: int = 0) -> None:
        self._throttle = iter(throttle)
        self._attempt_s = 0.0
        self._blind_for, self._asked = blind_for, 0

    def has_looked_since(self, start_s: float) -> bool:
        self._asked = 0 if start_s != self._attempt_s else self._asked + 1
        self._attempt_s = start_s
        return self._asked >= self._blind_for

    def between(self, start_s: float, end_s: float) -> BlockTelemetry | None:
        assert start_s <= end_s
        return BlockTelemetry(
            sm_clock_mhz=1000,
            memory_clock_mhz=None,
            temperature_c=None,
            power_w=None,
            throttle=tuple(next(self._throttle)),
        )


class NothingSeen:
    def __init__(self, *, looks: bool = True) -> None:
        self._looks = looks

    def has_looked_since(self, start_s: float) -> bool:
        return self._looks

    def between(self, start_s: float, end_s: float) -> None:
        return None


class LastSeen(NothingSeen):
    """A sampler that died while the device was hot."""

    def between(self, start_s: float, end_s: float) -> BlockTelemetry | None:  # type: ignore[override]
        return FakeMonitor(["hardware slowdown"]).between(start_s, end_s)


def measured(
    clock: FakeClock,
    sampling: Sampling,
    monitor: Monitor | None = None,
    pauses: list[float] | None = None,
) -> list[Block]:
    calls: dict[str, Call] = {"eager": eager, "compiled": compiled}
    pause = ([] if pauses is None else pauses).append
    timing.measure(sampling, calls, clock, monitor or NothingSeen(), 3, pause)
    return sampling.taken


def test_measuring_keeps_every_sample_in_the_order_taken() -> None:
    clock = FakeClock({eager: [1, 2, 3, 4], compiled: [10, 20, 30, 40]})
    taken = measured(clock, Sampling(schedule(4, max_blocks=2)))
    assert [(block.variant, block.samples_s) for block in taken] == [
        ("eager", (1, 2)),
        ("compiled", (10, 20)),
        ("compiled", (30, 40)),
        ("eager", (3, 4)),
    ]


def test_the_garbage_collector_is_off_while_timing_and_warming_up_and_on_again_after() -> None:
    states = []

    class Watching(FakeClock):
        def time(self, call: Call, calls: int) -> Times:
            states.append(gc.isenabled())
            return super().time(call, calls)

    clock = Watching({eager: [1] * 4, compiled: [1] * 2})
    measured(clock, Sampling(schedule(2, 2)))
    timing.warm_up(eager, clock, Protocol(warmup_min_calls=2, warmup_max_calls=2))
    assert states == [False] * 6
    assert gc.isenabled()


def test_a_case_ends_as_soon_as_its_speed_up_is_known_well_enough() -> None:
    clock = FakeClock({eager: itertools.repeat(2), compiled: itertools.repeat(1)})
    sampling = Sampling(schedule(300, 30), until=0.01)
    assert len(measured(clock, sampling)) == 20
    assert sampling.stopped_early


def test_a_block_disturbed_by_heat_is_taken_again_and_only_the_good_attempt_is_kept() -> None:
    clock = FakeClock({eager: [9, 8, 1], compiled: [2]})
    monitor = FakeMonitor(["hardware slowdown"], ["power cap", "software thermal slowdown"], [], [])
    pauses: list[float] = []
    hot, cool = measured(clock, Sampling(schedule(1, 1)), monitor, pauses=pauses)
    assert (hot.samples_s, hot.retaken) == ((1,), 2)
    assert (cool.samples_s, cool.retaken) == ((2,), 0)
    assert pauses == pytest.approx([0.05, 0.075])


def test_a_block_taken_again_stays_under_load_until_the_device_has_been_looked_at() -> None:
    clock = FakeClock({eager: [9, 1, 0.1, 0.1, 0.1], compiled: [2]})
    monitor = FakeMonitor(["hardware slowdown"], [], [], blind_for=3)
    hot, _ = measured(clock, Sampling(schedule(1, 1)), monitor)
    assert (hot.samples_s, hot.retaken) == ((1,), 1)
    assert clock.calls.count(eager) == 5, "three calls that count for nothing"


def test_what_was_seen_of_the_attempt_before_condemns_no_other_one() -> None:
    clock = FakeClock({eager: itertools.repeat(1), compiled: itertools.repeat(2)})
    monitor = LastSeen(looks=False)
    blocks = measured(clock, Sampling(schedule(1, 1)), monitor)
    assert [(block.retaken, block.telemetry) for block in blocks] == [(1, None), (1, None)]


def test_a_block_is_taken_again_three_times_at_most_and_then_kept_with_its_reason() -> None:
    clock = FakeClock({eager: [1, 2, 3, 4], compiled: [5, 6, 7, 8]})
    monitor = FakeMonitor(*[["hardware thermal slowdown"]] * 8)
    blocks = measured(clock, Sampling(schedule(1, 1)), monitor)
    assert [(block.samples_s, block.retaken) for block in blocks] == [((4,), 3), ((8,), 3)]
    assert blocks[0].telemetry is not None
    assert blocks[0].telemetry.throttle == ("hardware thermal slowdown",)


def test_a_power_cap_is_no_disturbance() -> None:
    clock = FakeClock({eager: [1], compiled: [2]})
    blocks = measured(clock, Sampling(schedule(1, 1)), FakeMonitor(["power cap"], ["power cap"]))
    assert [block.retaken for block in blocks] == [0, 0]


def test_steady_times_end_the_warm_up_after_the_minimum() -> None:
    samples, stable = timing.warm_up(eager, FakeClock({eager: itertools.repeat(0.2)}), PATIENT)
    assert len(samples) == 20
    assert stable


def test_fast_calls_warm_up_for_the_minimum_time() -> None:
    samples, stable = timing.warm_up(eager, FakeClock({eager: itertools.repeat(0.05)}), PATIENT)
    assert sum(samples) == pytest.approx(2.0, abs=0.06)
    assert stable


def test_a_falling_series_is_warmed_up_until_it_settles() -> None:
    falling = [1.0 * 0.9**index for index in range(40)]
    clock = FakeClock({eager: itertools.chain(falling, itertools.repeat(falling[-1]))})
    samples, stable = timing.warm_up(eager, clock, PATIENT)
    assert 40 < len(samples) < 60
    assert stable


def test_a_warm_up_that_never_settles_is_capped_and_flagged() -> None:
    restless = itertools.cycle([0.1] * 10 + [0.2] * 10)
    protocol = Protocol(warmup_min_calls=20, warmup_max_calls=20, warmup_min_s=0)
    samples, stable = timing.warm_up(eager, FakeClock({eager: restless}), protocol)
    assert len(samples) == 20
    assert not stable


def test_slow_calls_stop_at_the_time_cap_before_the_minimum_of_calls() -> None:
    protocol = Protocol(warmup_max_s=30.0)
    samples, _ = timing.warm_up(eager, FakeClock({eager: itertools.repeat(10.0)}), protocol)
    assert len(samples) == 3

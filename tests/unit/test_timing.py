from __future__ import annotations

import gc
import itertools

import pytest

from harness import timing
from harness.plan import Protocol
from tests.fake_clock import FakeClock, compiled, eager

PATIENT = Protocol(warmup_min_calls=20, warmup_min_s=2.0, warmup_max_calls=300, warmup_max_s=60.0)


@pytest.mark.parametrize("iterations", [1, 2, 5, 29, 30, 31, 100, 299, 300, 301, 1000])
def test_every_variant_gets_exactly_the_iterations_asked_for(iterations: int) -> None:
    slots = timing.schedule(iterations, max_blocks=30)
    for variant in ("eager", "compiled"):
        assert sum(slot.calls for slot in slots if slot.variant == variant) == iterations


def test_blocks_alternate_as_a_b_b_a_so_that_drift_cancels() -> None:
    order = "".join(slot.variant[0] for slot in timing.schedule(4, max_blocks=30))
    assert order == "ecceecce"


def test_the_default_is_thirty_blocks_of_ten_calls_per_variant() -> None:
    slots = timing.schedule(300, max_blocks=30)
    assert [slot.calls for slot in slots] == [10] * 60


def test_blocks_next_to_each_other_have_the_same_length() -> None:
    slots = timing.schedule(100, max_blocks=30)
    pairs = (
        itertools.batched(slots, 2)
        if hasattr(itertools, "batched")
        else zip(slots[::2], slots[1::2], strict=True)
    )
    for first, second in pairs:
        assert first.calls == second.calls
        assert {first.variant, second.variant} == {"eager", "compiled"}


def test_measuring_keeps_every_sample_in_the_order_taken() -> None:
    clock = FakeClock({eager: [1, 2, 3, 4], compiled: [10, 20, 30, 40]})
    blocks = timing.measure(
        timing.schedule(4, max_blocks=2), {"eager": eager, "compiled": compiled}, clock
    )
    assert [(block.variant, block.samples_s) for block in blocks] == [
        ("eager", (1, 2)),
        ("compiled", (10, 20)),
        ("compiled", (30, 40)),
        ("eager", (3, 4)),
    ]


def test_the_garbage_collector_is_off_while_timing_and_on_again_after() -> None:
    states = []

    class Watching(FakeClock):
        def time(self, call: timing.Call, calls: int) -> timing.Times:
            states.append(gc.isenabled())
            return super().time(call, calls)

    clock = Watching({eager: [1] * 2, compiled: [1] * 2})
    timing.measure(timing.schedule(2, 2), {"eager": eager, "compiled": compiled}, clock)
    assert states == [False] * 4
    assert gc.isenabled()


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

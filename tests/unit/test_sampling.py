from __future__ import annotations

import itertools
import random

import pytest
import scipy.stats

from harness.contract.records import Block
from harness.measure import sampling
from harness.measure.sampling import Sampling, schedule
from orchestrator.statistics import statistics


@pytest.mark.parametrize("iterations", [1, 2, 5, 29, 30, 31, 100, 299, 300, 301, 1000])
def test_every_variant_gets_exactly_the_iterations_asked_for(iterations: int) -> None:
    slots = schedule(iterations, max_blocks=30)
    for variant in ("eager", "compiled"):
        assert sum(slot.calls for slot in slots if slot.variant == variant) == iterations


def test_blocks_alternate_as_a_b_b_a_so_that_drift_cancels() -> None:
    order = "".join(slot.variant[0] for slot in schedule(4, max_blocks=30))
    assert order == "ecceecce"


def test_the_default_is_thirty_blocks_of_ten_calls_per_variant() -> None:
    slots = schedule(300, max_blocks=30)
    assert [slot.calls for slot in slots] == [10] * 60


def test_blocks_next_to_each_other_have_the_same_length() -> None:
    slots = schedule(100, max_blocks=30)
    pairs = (
        itertools.batched(slots, 2)
        if hasattr(itertools, "batched")
        else zip(slots[::2], slots[1::2], strict=True)
    )
    for first, second in pairs:
        assert first.calls == second.calls
        assert {first.variant, second.variant} == {"eager", "compiled"}


def filled(until: float | None, eager_s: list[float], compiled_s: list[float]) -> Sampling:
    """A sampling driven to its end; the lists are the sums of the blocks."""
    one = Sampling(schedule(len(eager_s), max_blocks=len(eager_s)), until)
    sums = {"eager": iter(eager_s), "compiled": iter(compiled_s)}
    while (slot := one.next()) is not None:
        one.taken.append(Block(variant=slot.variant, samples_s=(next(sums[slot.variant]),)))
    return one


def noisy(mean_s: float, noise: float, seed: int, blocks: int = 30) -> list[float]:
    generator = random.Random(seed)
    return [mean_s * (1 + noise * generator.gauss(0, 1)) for _ in range(blocks)]


def test_without_until_every_block_is_taken() -> None:
    one = filled(None, [2.0] * 30, [1.0] * 30)
    assert len(one.taken) == 60
    assert not one.stopped_early


def test_a_case_never_ends_before_ten_pairs_however_steady_it_is() -> None:
    one = filled(0.01, [2.0] * 30, [1.0] * 30)
    assert len(one.taken) == 20
    assert one.stopped_early


def test_shorter_blocks_do_not_end_a_case_after_fewer_calls() -> None:
    one = filled(0.01, [2.0] * 60, [1.0] * 60)
    assert len(one.taken) == 40


@pytest.mark.parametrize("seed", range(20))
def test_a_case_ends_after_whole_a_b_b_a_and_at_the_width_asked_for(seed: int) -> None:
    one = filled(0.01, noisy(2, 0.01, seed), noisy(1, 0.01, seed + 100))
    eager, compiled = sampling.block_sums(one.taken)
    assert len(one.taken) % 4 == 0
    if one.stopped_early:
        assert sampling.relative_width(eager, compiled) <= 0.01
    before = len(eager) - 2
    if before >= sampling.MIN_PAIRS:
        assert sampling.relative_width(eager[:before], compiled[:before]) > 0.01


def test_a_noisy_case_takes_every_block() -> None:
    one = filled(0.01, noisy(2, 0.2, 1), noisy(1, 0.2, 2))
    assert len(one.taken) == 60


def test_drift_that_falls_on_both_variants_alike_does_not_widen_the_interval() -> None:
    drift = [1 + 0.01 * index for index in range(20)]
    assert sampling.relative_width(drift, [value / 2 for value in drift]) < 1e-9


@pytest.mark.parametrize("pairs", [10, 20, 30])
def test_the_width_is_that_of_the_interval_on_the_page(pairs: int) -> None:
    eager, compiled = noisy(2, 0.02, 5, pairs), noisy(1, 0.02, 6, pairs)
    page = statistics.speed_up([[value] for value in eager], [[value] for value in compiled])
    ours = sampling.relative_width(eager, compiled)
    assert ours == pytest.approx((page.high - page.low) / page.value, rel=1e-3)


@pytest.mark.parametrize("freedom", [4, 5, 9, 11, 19, 29, 1000])
def test_quantiles_of_students_t_are_those_of_scipy(freedom: int) -> None:
    expected = scipy.stats.t.ppf(0.975, freedom)
    assert sampling.t_quantile(0.975, freedom) == pytest.approx(expected, rel=1e-3)

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.sampling import schedule
from orchestrator.statistics import statistics
from orchestrator.statistics.statistics import BreakEven, Estimate
from orchestrator.statistics.times import Floats, Times

Blocks = list[list[float]]


def flat(mean_s: float, blocks: int = 30, calls: int = 10) -> Blocks:
    return [[mean_s] * calls for _ in range(blocks)]


def noisy(mean_s: float, noise: float, seed: int, blocks: int = 30, calls: int = 10) -> Blocks:
    generator = np.random.default_rng(seed)
    return (mean_s * (1 + noise * generator.standard_normal((blocks, calls)))).tolist()


def rounds(blocks: Blocks) -> Floats:
    return np.sum(blocks, axis=1).reshape(-1, 2).sum(axis=1)


def drifting(eager_s: float, compiled_s: float, drift: float) -> tuple[Blocks, Blocks]:
    """Calls in the order A B B A on a machine that gets slower by `drift` from first to last."""
    slots = schedule(300, 30)
    total = sum(slot.calls for slot in slots)
    clock = iter(1 + drift * np.arange(total) / total)
    blocks: dict[str, Blocks] = {"eager": [], "compiled": []}
    for slot in slots:
        mean_s = eager_s if slot.variant == "eager" else compiled_s
        blocks[slot.variant].append([mean_s * next(clock) for _ in range(slot.calls)])
    return blocks["eager"], blocks["compiled"]


def test_known_times_give_the_exact_mean_median_and_percentiles() -> None:
    summary = statistics.summarise([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]])
    assert summary.mean.value == pytest.approx(5.5)
    assert summary.median_s == pytest.approx(5.5)
    assert summary.p5_s == pytest.approx(1.45)
    assert summary.p95_s == pytest.approx(9.55)
    assert summary.calls == 10


@pytest.mark.parametrize("seed", range(5))
def test_a_summary_says_to_the_last_bit_what_plain_definitions_say(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 12, size=7)
    blocks = [generator.lognormal(-5, 0.3, size).tolist() for size in sizes]
    calls = [call for block in blocks for call in block]
    found = statistics.summarise(blocks)
    assert found.mean.value == np.array([math.fsum(block) for block in blocks]).sum() / len(calls)
    assert [found.p5_s, found.median_s, found.p95_s] == np.percentile(calls, [5, 50, 95]).tolist()
    assert found == statistics.summarise(Times.of(blocks))


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=40), st.floats(0, 100))
def test_percentiles_and_medians_are_those_of_numpy(values: list[float], percent: float) -> None:
    found = statistics.percentiles(np.array(values), [percent / 100])
    assert found == [np.percentile(values, percent)]
    assert statistics.median(np.array(values)) == np.median(values)


def test_no_value_has_no_percentiles() -> None:
    with pytest.raises(ValueError, match="no value at all"):
        statistics.percentiles(np.array([]), [0.5])


def test_times_without_noise_give_an_interval_without_width() -> None:
    ratio = statistics.speed_up(flat(0.011), flat(0.010))
    assert [ratio.value, ratio.low, ratio.high] == [pytest.approx(1.1)] * 3
    assert ratio.p_value == pytest.approx(0, abs=1e-100)


def test_no_difference_at_all_has_a_p_value_of_one() -> None:
    assert statistics.speed_up(flat(0.01), flat(0.01)).p_value == 1


def test_ten_percent_faster_is_faster() -> None:
    ratio = statistics.speed_up(noisy(0.0110, 0.02, 1), noisy(0.0100, 0.02, 2))
    assert ratio.value == pytest.approx(1.1, rel=0.01)
    assert statistics.decide(ratio) == "faster"


def test_ten_percent_slower_is_slower() -> None:
    ratio = statistics.speed_up(noisy(0.0100, 0.02, 1), noisy(0.0110, 0.02, 2))
    assert statistics.decide(ratio) == "slower"


def test_equal_times_with_little_noise_are_the_same() -> None:
    ratio = statistics.speed_up(noisy(0.01, 0.02, 1), noisy(0.01, 0.02, 2))
    assert statistics.decide(ratio) == "same"


def test_equal_times_with_much_noise_are_unclear() -> None:
    ratio = statistics.speed_up(noisy(0.01, 0.5, 1), noisy(0.01, 0.5, 2))
    assert statistics.decide(ratio) == "unclear"


def test_a_certain_difference_below_the_practical_threshold_is_no_verdict() -> None:
    assert statistics.decide(Estimate(1.010, 1.005, 1.015)) == "same"
    assert statistics.decide(Estimate(1.015, 1.005, 1.025)) == "unclear"


def test_one_outlier_widens_the_interval_and_does_not_make_a_verdict() -> None:
    eager, compiled = noisy(0.01, 0.01, 1), noisy(0.01, 0.01, 2)
    eager[7][3] = 0.5
    ratio = statistics.speed_up(eager, compiled)
    assert ratio.value > 1.1
    assert statistics.decide(ratio) == "unclear"


def test_a_common_drift_cancels_between_neighbouring_blocks() -> None:
    drift = np.linspace(1, 1.5, 30)
    eager = [[0.011 * step] * 10 for step in drift]
    compiled = [[0.010 * step] * 10 for step in drift]
    ratio = statistics.speed_up(eager, compiled)
    assert [ratio.value, ratio.low, ratio.high] == [pytest.approx(1.1)] * 3


def test_a_drift_that_runs_on_within_a_round_falls_on_both_variants_alike() -> None:
    ratio = statistics.speed_up(*drifting(eager_s=0.010, compiled_s=0.010, drift=0.1))
    assert ratio.value == pytest.approx(1, abs=1e-6)
    assert ratio.low == pytest.approx(1, abs=1e-4)


def test_a_call_that_is_slow_just_after_the_other_variant_does_not_widen_the_interval() -> None:
    first, second = [0.0105] * 10, [0.0100] * 10
    eager, compiled = [first, second] * 15, [second, first] * 15
    ratio = statistics.speed_up(eager, compiled)
    assert [ratio.value, ratio.low, ratio.high] == [pytest.approx(1)] * 3


def test_fewer_than_five_blocks_carry_no_interval_and_no_verdict() -> None:
    ratio = statistics.speed_up(flat(0.02, blocks=4), flat(0.01, blocks=4))
    assert ratio == Estimate(2.0, None, None)
    assert statistics.decide(ratio) == "unclear"


def test_blocks_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ValueError, match="do not pair up"):
        statistics.speed_up(flat(1, blocks=6), flat(1, blocks=5))


def test_the_interval_agrees_with_a_bootstrap_where_noise_is_harmless() -> None:
    eager, compiled = noisy(0.0105, 0.2, 3, blocks=120), noisy(0.0100, 0.3, 4, blocks=120)
    ours = statistics.speed_up(eager, compiled)
    theirs = scipy.stats.bootstrap(
        (rounds(eager), rounds(compiled)),
        lambda e, c, axis: e.sum(axis=axis) / c.sum(axis=axis),
        paired=True,
        method="BCa",
        n_resamples=20_000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_the_p_value_agrees_with_a_t_test_on_the_rounds() -> None:
    eager, compiled = noisy(0.01005, 0.05, 3), noisy(0.01, 0.05, 4)
    theirs = scipy.stats.ttest_rel(rounds(eager), rounds(compiled)).pvalue
    assert statistics.speed_up(eager, compiled).p_value == pytest.approx(theirs, rel=0.05)


@given(st.integers(0, 2**32), st.floats(0.95, 1.05), st.integers(5, 30))
def test_the_interval_excludes_one_exactly_when_the_p_value_is_below_5_percent(
    seed: int, factor: float, blocks: int
) -> None:
    eager = noisy(0.01 * factor, 0.1, seed, blocks=blocks)
    ratio = statistics.speed_up(eager, noisy(0.01, 0.1, seed + 1, blocks=blocks))
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.p_value is not None
    assert (ratio.low > 1 or ratio.high < 1) == (ratio.p_value < 0.05)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(200):
        ratio = statistics.speed_up(noisy(1.1, 0.1, 2 * seed), noisy(1.0, 0.1, 2 * seed + 1))
        assert ratio.low is not None
        assert ratio.high is not None
        hits += ratio.low <= 1.1 <= ratio.high
    assert 180 <= hits <= 198


def test_the_same_samples_give_the_same_interval_every_time() -> None:
    eager, compiled = noisy(0.011, 0.1, 1), noisy(0.010, 0.1, 2)
    assert statistics.speed_up(eager, compiled) == statistics.speed_up(eager, compiled)


def test_twice_as_fast_saves_half_of_the_time() -> None:
    assert statistics.time_saved(Estimate(2.0, 1.0, 4.0)) == Estimate(0.5, 0.0, 0.75)


def test_the_published_detr_row_is_45_percent_less_time() -> None:
    saved = statistics.time_saved(Estimate(34.619 / 19.040, None, None))
    assert saved.value == pytest.approx(0.45, abs=0.001)


def test_break_even_counts_the_inferences_that_pay_the_compile_time_back() -> None:
    # 30 s of compiling, paid back 10 ms a call.
    paid = statistics.break_even([30.01, 0.010], flat(0.020), flat(0.010))
    assert paid == BreakEven(3000, (3000, 3000))


@pytest.mark.parametrize("calls", [0, 20, 300, 5000])
def test_break_even_does_not_depend_on_how_long_the_warm_up_was(calls: int) -> None:
    warm_up = [30.01, *[0.010] * calls]
    paid = statistics.break_even(warm_up, flat(0.020), flat(0.010))
    assert paid == BreakEven(3000, (3000, 3000))


def test_what_is_not_faster_never_breaks_even() -> None:
    never = BreakEven(None, (None, None))
    assert statistics.break_even([30.0], flat(0.010), flat(0.010)) == never
    assert statistics.break_even([30.0], flat(0.010), flat(0.011)) == never


def test_a_warm_up_that_cost_nothing_breaks_even_at_once() -> None:
    assert statistics.break_even([0.010], flat(0.020), flat(0.010)) == BreakEven(0)


def test_too_few_blocks_give_a_break_even_without_an_interval() -> None:
    few = flat(0.020, blocks=4), flat(0.010, blocks=4)
    assert statistics.break_even([30.01, 0.010], *few) == BreakEven(3000)


def test_a_gain_that_may_be_noise_may_never_break_even() -> None:
    paid = statistics.break_even([30.0], noisy(0.0101, 0.5, 1), noisy(0.01, 0.5, 2))
    assert paid.interval is not None
    low, high = paid.interval
    assert low is not None
    assert high is None


def test_the_interval_of_the_break_even_agrees_with_a_bootstrap() -> None:
    eager, compiled = noisy(0.012, 0.1, 3, blocks=120), noisy(0.010, 0.1, 4, blocks=120)
    warm_up = [30.0] + [0.01] * 100

    def pays_back(e: Floats, c: Floats, axis: int) -> Floats:
        e_s, c_s = e.mean(axis=axis) / 20, c.mean(axis=axis) / 20
        return (e_s - c_s) / (sum(warm_up) - len(warm_up) * e_s)

    theirs = scipy.stats.bootstrap(
        (rounds(eager), rounds(compiled)),
        pays_back,
        paired=True,
        method="BCa",
        rng=np.random.default_rng(5),
    ).confidence_interval
    paid = statistics.break_even(warm_up, eager, compiled)
    assert paid.interval == (
        pytest.approx(1 / theirs.high, rel=0.02),
        pytest.approx(1 / theirs.low, rel=0.02),
    )


def test_twice_as_fast_and_twice_as_slow_average_to_no_change() -> None:
    assert statistics.geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert statistics.geometric_mean([]) is None

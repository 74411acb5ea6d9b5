from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from orchestrator import statistics
from orchestrator.statistics import BreakEven, Estimate

Blocks = list[list[float]]


def flat(mean_s: float, blocks: int = 30, calls: int = 10) -> Blocks:
    return [[mean_s] * calls for _ in range(blocks)]


def noisy(mean_s: float, noise: float, seed: int, blocks: int = 30, calls: int = 10) -> Blocks:
    generator = np.random.default_rng(seed)
    return (mean_s * (1 + noise * generator.standard_normal((blocks, calls)))).tolist()


def test_known_times_give_the_exact_mean_median_and_percentiles() -> None:
    summary = statistics.summarise([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]])
    assert summary.mean.value == pytest.approx(5.5)
    assert summary.median_s == pytest.approx(5.5)
    assert summary.p5_s == pytest.approx(1.45)
    assert summary.p95_s == pytest.approx(9.55)
    assert summary.calls == 10


def test_times_without_noise_give_an_interval_without_width() -> None:
    ratio = statistics.speed_up(flat(0.011), flat(0.010))
    assert ratio == Estimate(*[pytest.approx(1.1)] * 3)


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
    assert statistics.speed_up(eager, compiled) == Estimate(*[pytest.approx(1.1)] * 3)


def test_fewer_than_five_blocks_carry_no_interval_and_no_verdict() -> None:
    ratio = statistics.speed_up(flat(0.02, blocks=4), flat(0.01, blocks=4))
    assert ratio == Estimate(2.0, None, None)
    assert statistics.decide(ratio) == "unclear"


def test_blocks_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ValueError, match="do not pair up"):
        statistics.speed_up(flat(1, blocks=6), flat(1, blocks=5))


def test_the_interval_agrees_with_scipys_own_bca_bootstrap() -> None:
    eager, compiled = noisy(0.0105, 0.2, 3), noisy(0.0100, 0.3, 4)
    ours = statistics.speed_up(eager, compiled)
    theirs = scipy.stats.bootstrap(
        (np.sum(eager, axis=1), np.sum(compiled, axis=1)),
        lambda e, c, axis: e.sum(axis=axis) / c.sum(axis=axis),
        paired=True,
        method="BCa",
        n_resamples=20_000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


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
    # 30 s of compiling and one warm call, against 20 ms eager and 10 ms compiled.
    paid = statistics.break_even([30.02, 0.010], 0.020, 0.010)
    assert paid == BreakEven(2999)


def test_what_is_not_faster_never_breaks_even() -> None:
    assert statistics.break_even([30.0], 0.010, 0.010) == BreakEven(None)
    assert statistics.break_even([30.0], 0.010, 0.011) == BreakEven(None)


def test_a_warm_up_that_cost_nothing_breaks_even_at_once() -> None:
    assert statistics.break_even([0.010], 0.020, 0.010) == BreakEven(0)


def test_twice_as_fast_and_twice_as_slow_average_to_no_change() -> None:
    assert statistics.geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert statistics.geometric_mean([]) is None

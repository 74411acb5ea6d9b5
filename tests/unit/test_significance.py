from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from orchestrator.statistics import significance
from orchestrator.statistics.statistics import Estimate
from tests.unit.test_statistics import Blocks, flat, noisy


def drifting(mean_s: float, noise: float, seed: int, blocks: int = 30) -> Blocks:
    """Blocks whose level scatters, as clocks make it, with quieter calls inside each."""
    generator = np.random.default_rng(seed)
    levels = mean_s * (1 + noise * generator.standard_normal((blocks, 1)))
    return (levels * (1 + 0.01 * generator.standard_normal((blocks, 10)))).tolist()


def test_times_without_noise_give_the_exact_ratio_and_certainty() -> None:
    change = significance.change_of_mean(flat(0.010), flat(0.012))
    assert change.ratio == Estimate(*[pytest.approx(1.2)] * 3, p_value=0.0)
    assert change.p_value == 0


def test_equal_times_without_noise_are_no_change() -> None:
    change = significance.change_of_mean(flat(0.010), flat(0.010, blocks=12))
    assert change.ratio == Estimate(*[pytest.approx(1.0)] * 3, p_value=1.0)
    assert change.p_value == 1


def test_a_slower_run_has_a_ratio_above_one_and_a_small_p_value() -> None:
    change = significance.change_of_mean(noisy(0.010, 0.02, 1), noisy(0.011, 0.02, 2))
    assert change.ratio.low is not None
    assert change.ratio.low > 1.05
    assert change.p_value is not None
    assert change.p_value < 1e-10


def test_runs_of_different_length_can_be_compared() -> None:
    change = significance.change_of_mean(noisy(1.0, 0.1, 1), noisy(1.1, 0.1, 2, blocks=9, calls=4))
    assert change.ratio.value == pytest.approx(1.1, rel=0.05)
    assert change.p_value is not None
    assert change.p_value < 0.05


def test_fewer_than_five_blocks_on_either_side_carry_no_interval_and_no_p_value() -> None:
    change = significance.change_of_mean(flat(0.01), flat(0.02, blocks=4))
    assert change.ratio == Estimate(pytest.approx(2.0), None, None)
    assert change.p_value is None


def test_blocks_of_two_runs_are_not_treated_as_pairs() -> None:
    """Both drift alike. As pairs the drift would cancel, and nothing would be left to doubt."""
    drift = np.linspace(1, 1.5, 30)
    before, after = ([[mean * step] * 10 for step in drift] for mean in (1.00, 1.02))
    change = significance.change_of_mean(before, after)
    assert change.ratio.low is not None
    assert change.ratio.high is not None
    assert change.ratio.low < 1 < change.ratio.high
    assert change.p_value is not None
    assert change.p_value > 0.3


def test_a_speed_up_keeps_its_pairs_within_each_run() -> None:
    drift = np.linspace(1, 1.5, 30)
    before = tuple([[mean * step] * 10 for step in drift] for mean in (2.0, 1.0))
    after = tuple([[mean * step] * 10 for step in drift] for mean in (3.0, 1.0))
    change = significance.change_of_speed_up(before, after)  # type: ignore[arg-type]
    assert change.ratio == Estimate(*[pytest.approx(1.5)] * 3, p_value=0.0)


@pytest.mark.parametrize("seed", range(5))
def test_interval_and_p_value_are_those_of_scipys_welch_test_of_round_means(seed: int) -> None:
    """To first order: scipy compares means by their difference, and here by their ratio."""
    before, after = drifting(1.0, 0.01, 2 * seed), drifting(1.005, 0.02, 2 * seed + 1, blocks=20)
    rounds = [np.mean(blocks, axis=1).reshape(-1, 2).mean(axis=1) for blocks in (after, before)]
    theirs = scipy.stats.ttest_ind(*rounds, equal_var=False)
    ours = significance.change_of_mean(before, after)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=0.05, abs=0.005)
    bounds = theirs.confidence_interval(0.95)
    width = bounds.high - bounds.low
    assert ours.ratio.low == pytest.approx(1 + bounds.low, abs=0.05 * width)
    assert ours.ratio.high == pytest.approx(1 + bounds.high, abs=0.05 * width)


def test_the_interval_excludes_no_change_exactly_when_the_p_value_is_small() -> None:
    seen = set()
    for seed in range(60):
        change = significance.change_of_mean(
            drifting(1.0, 0.1, 2 * seed), drifting(1.06, 0.1, 2 * seed + 1)
        )
        assert change.p_value is not None
        assert change.ratio.low is not None
        assert change.ratio.high is not None
        excludes = not change.ratio.low <= 1 <= change.ratio.high
        assert excludes == (change.p_value < 0.05)
        seen.add(excludes)
    assert seen == {True, False}


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(200):
        ratio = significance.change_of_mean(
            drifting(1.0, 0.1, 2 * seed), drifting(1.1, 0.1, 2 * seed + 1)
        ).ratio
        assert ratio.low is not None
        assert ratio.high is not None
        hits += ratio.low <= 1.1 <= ratio.high
    assert 181 <= hits <= 198


def test_without_a_difference_one_p_value_in_twenty_is_below_five_percent() -> None:
    small = 0
    for seed in range(400):
        p_value = significance.change_of_mean(
            drifting(1.0, 0.1, 2 * seed), drifting(1.0, 0.1, 2 * seed + 1)
        ).p_value
        assert p_value is not None
        small += p_value < 0.05
    assert 8 <= small <= 34


def test_the_same_samples_give_the_same_change_every_time() -> None:
    first, second = (
        significance.change_of_mean(noisy(1.0, 0.1, 1), noisy(1.1, 0.1, 2)) for _ in range(2)
    )
    assert first == second

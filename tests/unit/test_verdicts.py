from __future__ import annotations

import pytest

from orchestrator import wording
from orchestrator.statistics.statistics import BreakEven, Estimate, decide
from orchestrator.statistics.verdicts import judge

SURE = Estimate(1.10, 1.08, 1.12, p_value=1e-9)
DOUBTFUL = Estimate(1.05, 1.002, 1.10, p_value=0.04)
NOTHING = Estimate(1.0, 0.995, 1.005, p_value=0.9)


def decisions(*ratios: Estimate, threshold: float = 0.02) -> list[str]:
    return [each.decision for each in judge(ratios, [threshold] * len(ratios))]


def test_what_is_significant_alone_is_unclear_among_many_without_an_effect() -> None:
    assert decisions(DOUBTFUL) == ["faster"]
    assert decisions(DOUBTFUL, *[NOTHING] * 35) == ["unclear", *["same"] * 35]


def test_what_is_certain_stays_certain_among_many() -> None:
    assert decisions(SURE, *[NOTHING] * 35)[0] == "faster"


def test_a_difference_counts_only_above_the_threshold_of_its_host() -> None:
    assert decisions(SURE, threshold=0.12) == ["unclear"]
    assert [each.decision for each in judge([SURE, SURE], [0.02, 0.12])] == ["faster", "unclear"]


def test_a_noisy_host_does_not_make_more_cases_the_same() -> None:
    assert decide(Estimate(1.0, 0.95, 1.05, p_value=0.9), threshold=0.08) == "unclear"


def test_a_case_without_an_interval_is_unclear_and_does_not_count() -> None:
    (few, doubtful) = judge([Estimate(2.0, None, None), DOUBTFUL], [0.02, 0.02])
    assert (few.decision, few.adjusted_p) == ("unclear", None)
    assert doubtful.adjusted_p == pytest.approx(0.04)


def test_a_break_even_that_may_never_come_says_or_more() -> None:
    assert wording.break_even_interval(BreakEven(1500, (1200, 1900))) == "1,200 to 1,900"
    assert wording.break_even_interval(BreakEven(1500, (1200, None))) == "1,200 or more"
    assert wording.break_even_interval(BreakEven(None, (None, None))) == ""
    assert wording.break_even_interval(BreakEven(1500)) == wording.break_even_interval(None) == ""


def test_a_p_value_is_never_written_as_a_small_power() -> None:
    assert [wording.p_value(p) for p in (None, 0.0341, 1e-9, 1.0)] == ["–", "0.034", "< 0.001", "1"]

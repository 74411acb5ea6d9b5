from __future__ import annotations

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.statistics.multiplicity import adjusted

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(P_VALUES)
def test_adjusted_p_values_are_those_of_scipy(p_values: list[float]) -> None:
    expected = scipy.stats.false_discovery_control(p_values, method="bh")
    assert adjusted(p_values) == pytest.approx(tuple(expected))


@given(P_VALUES)
def test_adjusting_never_makes_a_case_more_certain(p_values: list[float]) -> None:
    after = adjusted(p_values)
    assert all(q is not None and q >= p for p, q in zip(p_values, after, strict=True))


def test_cases_without_a_test_do_not_count() -> None:
    assert adjusted([0.01, None, 0.04, None]) == (0.02, None, 0.04, None)
    assert adjusted([None]) == (None,)


def test_one_small_p_value_among_many_is_no_discovery() -> None:
    first, *_ = adjusted([0.03] + [0.5] * 35)
    assert first is not None
    assert first > 0.05

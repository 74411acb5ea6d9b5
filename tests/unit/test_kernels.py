from __future__ import annotations

import pytest

from harness.devices.kernels import Trace, covered_s


def test_gaps_between_kernels_are_not_busy_and_what_overlaps_counts_once() -> None:
    assert covered_s([(0, 1), (2, 3)]) == 2
    assert covered_s([(2, 3), (0, 2.5)]) == 3
    assert covered_s([(0, 10), (1, 2), (9, 11)]) == 11
    assert covered_s([]) == 0


def test_busy_time_is_per_call() -> None:
    assert Trace(4, ((0.0, 1.0), (1.5, 2.5))).busy_s == pytest.approx(0.5)
    assert Trace(4, ()).busy_s == 0

from __future__ import annotations

import pytest

from orchestrator.compare import noise
from orchestrator.statistics.statistics import Estimate
from tests.factories import case, comparison, failure, measurement, outcome, plan

AA = case(recipe="eager")


def test_the_band_is_the_largest_change_in_either_direction() -> None:
    assert noise.band(Estimate(1.0, 0.99, 1.005)) == pytest.approx(1 / 0.99 - 1)
    assert noise.band(Estimate(1.0, 0.995, 1.01)) == pytest.approx(0.01)
    assert noise.band(Estimate(1.0, None, None)) is None


def test_a_quiet_host_keeps_the_practical_threshold() -> None:
    floor = noise.floor([(AA, Estimate(1.0, 0.995, 1.005))])
    assert (floor.threshold, floor.doubt) == (0.02, "")


def test_the_noisier_of_two_cases_sets_the_threshold() -> None:
    floor = noise.floor([(AA, Estimate(1.0, 0.99, 1.01)), (AA, Estimate(1.0, 0.98, 1.04))])
    assert floor.threshold == floor.band == pytest.approx(0.04)
    assert floor.doubt == ""


def test_a_host_on_which_eager_differs_from_itself_is_noisy() -> None:
    floor = noise.floor([(AA, Estimate(1.03, 1.02, 1.04))])
    assert floor.doubt == "differs"
    assert floor.threshold == pytest.approx(0.04)


def test_a_host_that_scatters_too_widely_is_noisy() -> None:
    assert noise.floor([(AA, Estimate(1.0, 0.9, 1.1))]).doubt == "wide"


def test_too_few_blocks_leave_the_noise_floor_open() -> None:
    floor = noise.floor([(AA, Estimate(1.0, None, None))])
    assert (floor.band, floor.threshold, floor.doubt) == (None, 0.02, "")


def test_an_aa_case_is_no_row_but_sets_the_threshold_of_its_host() -> None:
    aa = measurement(AA, eager_s=0.0108, compiled_s=0.0100)
    found = comparison(
        outcome("loud", measurement(eager_s=0.0105, compiled_s=0.0100), aa),
        outcome("quiet", measurement(eager_s=0.0105, compiled_s=0.0100)),
    )
    loud, quiet = found.hosts
    assert len(found.rows) == 2
    assert loud.threshold == pytest.approx(0.08)
    assert [row.verdict for row in found.rows] == ["unclear", "faster"]
    assert quiet.noise is None


def test_an_aa_case_that_failed_is_told_of() -> None:
    found = comparison(
        outcome("a100", measurement(), failure(AA, "oom")), of=plan([case()], noise_floor=(AA,))
    )
    assert found.hosts[0].noise is None
    assert "A/A case vit-base/eager/float32/b1 failed (oom)" in found.hosts[0].remarks[0]

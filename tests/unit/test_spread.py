"""How far the workers of a pool agree, and how a page says so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.contract.plan import Case
from harness.contract.records import Measurement
from orchestrator.compare import spread
from orchestrator.page.exports import to_json
from orchestrator.publish.report import render
from orchestrator.records.outcomes import ControlResult, HostOutcome, Origin
from tests.factories import case, comparison, measurement, outcome

CASE = case("resnet-50")
NODES = ("n1", "n2", "n3")


def result(node: str, eager_s: float, ratio: float, *, alone: bool = False) -> ControlResult:
    found = measured(eager_s, ratio)
    return ControlResult(found, Origin(node, f"GPU-{node}", 1), alone)


def measured(eager_s: float, ratio: float, of: Case = CASE) -> Measurement:
    return measurement(of, eager_s=eager_s, compiled_s=eager_s / ratio)


def pool(*controls: ControlResult) -> HostOutcome:
    """Its case took 10 ms on n1, 1.25 times as fast when compiled; another case was on n2."""
    other = case("vit-base")
    found = outcome("pool", measured(0.010, 1.25), measured(0.020, 1.1, other))
    origins = {CASE.case_id: Origin("n1", "GPU-n1", 1), other.case_id: Origin("n2", "GPU-n2", 1)}
    return replace(found, origins=origins, controls=controls)


def test_differences_are_those_between_the_two_farthest_apart() -> None:
    found = spread.of_host(pool(result("n2", 0.0102, 1.25), result("n3", 0.0099, 1.30)))
    assert found is not None
    assert (found.case, found.cards, found.alone) == (CASE, 3, None)
    assert found.between is not None
    assert found.between.eager == pytest.approx(0.0102 / 0.0099 - 1)
    assert found.between.speed_up == pytest.approx(0.04)


def test_the_one_alone_is_held_against_its_own_card() -> None:
    found = spread.of_host(pool(result("n2", 0.012, 1.5), result("n1", 0.0101, 1.25, alone=True)))
    assert found is not None
    assert found.alone is not None
    assert found.alone.eager == pytest.approx(0.01)
    assert found.alone.speed_up == pytest.approx(0.0)


def test_the_one_alone_is_held_against_all_where_its_card_is_new() -> None:
    found = spread.of_host(pool(result("n2", 0.010, 1.25), result("n9", 0.011, 1.25, alone=True)))
    assert found is not None
    assert found.alone is not None
    assert found.alone.eager == pytest.approx(0.1)


def test_one_card_says_nothing_about_others() -> None:
    assert spread.of_host(pool()) is None
    assert spread.of_host(pool(result("n1", 0.010, 1.25))) is None
    found = spread.of_host(pool(result("n1", 0.01, 1.25), result("n1", 0.01, 1.25, alone=True)))
    assert found is not None
    assert found.between is None


def page(*controls: ControlResult) -> str:
    return " ".join(render(comparison(pool(*controls))).replace("\N{NO-BREAK SPACE}", " ").split())


def test_a_page_says_that_workers_agree_within_the_noise_floor() -> None:
    html = page(result("n2", 0.0101, 1.25), result("n1", 0.01005, 1.25, alone=True))
    assert "pool spread its cases over 2 GPUs of a cluster" in html
    assert (
        "resnet-50 b1 was measured on 2 GPUs at once: between two of them eager times differed by "
        "at most 1.0 % and speed-ups by at most 0.0 %. Measured once more with no other worker "
        "busy: eager times differed by 0.5 % and speed-ups by 0.0 %. That is within the 2 % below "
        "which this host calls nothing different." in html
    )
    assert "do not agree" not in html


def test_a_page_warns_of_times_that_depend_on_the_worker() -> None:
    html = page(result("n2", 0.011, 1.25))
    assert "That is more than the 2 % below which" in html
    assert (
        "Its workers do not agree: eager times of resnet-50 b1 differed by 10 % from one GPU to "
        "another. Its speed-up did not (0.0 %): compare speed-ups here, not times." in html
    )


def test_a_page_warns_of_speed_ups_that_depend_on_how_busy_others_are() -> None:
    html = page(result("n2", 0.010, 1.25), result("n1", 0.009, 1.4, alone=True))
    assert (
        "Its workers do not agree: eager times of resnet-50 b1 differed by 11 % with other workers "
        "busy, and its speed-up by 12 %. A verdict here may be the worker&#39;s." in html
    )


def test_a_pool_whose_cases_all_came_to_one_card_still_says_that_workers_agree() -> None:
    control = result("n2", 0.0101, 1.25)
    of = replace(pool(control), origins={CASE.case_id: Origin("n1", "GPU-n1", 1)})
    html = " ".join(render(comparison(of)).split())
    assert "pool spread its cases over 1 GPU of a cluster" in html
    assert "resnet-50 b1 was measured on 2 GPUs at once" in html


def test_a_pool_without_controls_says_how_to_find_out() -> None:
    assert "Whether they agree was not measured here" in page()


def test_exports_tell_how_far_workers_agree() -> None:
    (host,) = json.loads(to_json(comparison(pool(result("n2", 0.011, 1.25)))))["hosts"]
    assert host["gpus"] == 2
    assert (host["control_case"], host["control_gpus"]) == (CASE.case_id, 2)
    assert host["eager_between_gpus"] == pytest.approx(0.1)
    assert host["speed_up_alone"] is None

"""A case may be measured in several fresh processes: one ordered list of attempts serves planning,
resuming, sharing out, and judging what a host sends."""

from __future__ import annotations

import pytest

from harness.contract.plan import Case, CaseAttempt, Plan, Repetition, read_plan
from harness.contract.records import Measurement, read_record, write_line
from orchestrator import planning
from orchestrator.fleet.shift import only
from orchestrator.records import admission
from tests import factories

VIT, RESNET = factories.case("vit-base"), factories.case("resnet-50")
A_A = factories.case("resnet-50", recipe="eager"), factories.case("vit-base", recipe="eager")
THRICE = Repetition(case_id=VIT.case_id, processes=3)


@pytest.fixture
def plan() -> Plan:
    return factories.plan([VIT, RESNET], noise_floor=A_A, repetitions=(THRICE,))


def ids(of: Plan) -> list[str]:
    return [attempt.case_id for attempt in of.attempts()]


def again(process: int) -> Measurement:
    return factories.measurement(VIT).model_copy(update={"process": process})


def test_what_is_repeated_comes_after_every_case_had_its_first_process(plan: Plan) -> None:
    assert ids(plan) == [
        "resnet-50/eager/float32/b1",
        "vit-base/default/float32/b1",
        "resnet-50/default/float32/b1",
        "vit-base/default/float32/b1/process=2",
        "vit-base/default/float32/b1/process=3",
        "vit-base/eager/float32/b1",
    ]
    assert list(plan.all_cases()) == [VIT, RESNET], "the comparison has each case once"


def test_only_what_differs_from_a_plain_case_is_in_its_id() -> None:
    assert CaseAttempt(case=VIT).case_id == VIT.case_id
    street = VIT.model_copy(update={"inputs": "street"})
    attempt = CaseAttempt(case=street, process=2, build="2.14.1")
    assert attempt.case_id == "vit-base/default/float32/b1/inputs=street/process=2/build=2.14.1"
    assert '"process":' not in write_line(factories.measurement(VIT))


def test_a_plan_without_repetitions_has_the_id_that_it_had_before_there_were_any() -> None:
    plain = factories.plan([VIT, RESNET])
    assert "repetitions" not in plain.model_dump_json()
    assert plain.plan_id != factories.plan([VIT, RESNET], repetitions=(THRICE,)).plan_id


def test_a_repeated_plan_is_written_and_read(plan: Plan) -> None:
    assert read_plan(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    "repetition",
    [
        {"case_id": "vit-base/default/float32/b2", "processes": 2},
        {"case_id": VIT.case_id, "processes": 0},
        {"case_id": VIT.case_id, "processes": 1001},
    ],
)
def test_a_plan_repeats_its_own_cases_a_bounded_number_of_times(
    repetition: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match="repetitions"):
        factories.plan([VIT], repetitions=(repetition,))


def test_attempts_count_against_the_most_that_a_plan_may_hold() -> None:
    cases = [factories.case(f"someone/model-{number}") for number in range(101)]
    repeated = tuple(Repetition(case_id=case.case_id, processes=1000) for case in cases)
    with pytest.raises(ValueError, match="at most 100,000"):
        factories.plan(cases, repetitions=repeated)


def test_a_resumed_run_measures_the_processes_that_are_missing(plan: Plan) -> None:
    outcome = factories.outcome("a100", factories.measurement(RESNET), again(2))
    assert ids(planning.for_resume(plan, outcome)) == [
        each for each in ids(plan) if each not in (RESNET.case_id, again(2).case_id)
    ]


def test_attempts_are_shared_out_one_by_one(plan: Plan) -> None:
    parts = planning.share_out(plan, 2, lambda case: 3.0 if case == VIT else 1.0)
    assert sorted(each for part in parts for each in ids(part)) == sorted(ids(plan))
    assert all(any("process=" in each for each in ids(part)) for part in parts)


def test_a_host_may_send_each_attempt_once_and_no_other(plan: Plan) -> None:
    judge = admission.Admission(plan)
    told = [factories.started(), factories.measurement(VIT), again(2), again(4), again(2)]
    objections = [
        judge.objection(record.model_copy(update={"seq": seq})) for seq, record in enumerate(told)
    ]
    assert objections[:3] == ["", "", ""]
    assert "process=4' is no case of its plan" in objections[3]
    assert objections[4].endswith("process=2 was measured already")


def test_a_record_tells_its_process(plan: Plan) -> None:
    assert read_record(write_line(again(2))).case_id == f"{VIT.case_id}/process=2"  # type: ignore[union-attr]


@pytest.mark.parametrize("place", range(6))
def test_a_job_of_a_pool_makes_one_attempt(plan: Plan, place: int) -> None:
    attempt = plan.attempts()[place]
    small = only(plan, attempt)
    assert small.attempts() == (attempt,)
    assert small.plan_id == plan.plan_id


def test_two_builds_of_a_case_are_two_attempts() -> None:
    case = Case(model="vit-base", recipe="default", precision="float32", batch_size=1)
    found = {CaseAttempt(case=case, build=build).case_id for build in ("", "2.9.1", "2.14.1")}
    assert len(found) == 3

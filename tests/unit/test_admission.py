from __future__ import annotations

import pytest

from harness.contract.plan import Protocol
from harness.contract.records import CaseStarted, Failure, Finished, Heartbeat, Record
from orchestrator.records.admission import Admission, Allowance, TooMuchError
from tests import factories

RESNET = factories.case("resnet-50")
VIT = factories.case("vit-base")
ALIEN = factories.case("detr")
PLAN = factories.plan([RESNET, VIT])
STARTED = factories.started([RESNET, VIT])
BEAT = Heartbeat(case_id=None, stage=None)


def judged(*records: Record, of: Admission | None = None) -> list[str]:
    """What is objected to each of these records, numbered from 0."""
    admission = of or Admission(PLAN)
    numbered = (record.model_copy(update={"seq": seq}) for seq, record in enumerate(records))
    return [admission.objection(record) for record in numbered]


@pytest.mark.parametrize(
    "record",
    [
        factories.measurement(ALIEN),
        factories.failure(ALIEN),
        CaseStarted(case_id=ALIEN.case_id, stage="build"),
        Heartbeat(case_id=ALIEN.case_id, stage="build"),
        factories.started([RESNET, ALIEN]),
    ],
)
def test_what_concerns_a_case_outside_the_plan_is_refused(record: Record) -> None:
    assert judged(record) == ["'detr/default/float32/b1' is no case of its plan"]


@pytest.mark.parametrize(
    "second", [factories.measurement(RESNET, compiled_s=0.001), factories.failure(RESNET)]
)
def test_a_second_result_of_a_case_is_refused_whatever_it_says(second: Record) -> None:
    why = judged(STARTED, factories.measurement(RESNET), second, factories.measurement(VIT))
    assert why == ["", "", "resnet-50/default/float32/b1 was measured already", ""]


def test_a_measurement_after_a_failure_of_its_case_is_refused() -> None:
    why = judged(STARTED, factories.failure(RESNET), factories.measurement(RESNET))
    assert why[2] == "resnet-50/default/float32/b1 was given up already"


def test_a_stream_that_begins_a_second_time_may_be_another_hosts() -> None:
    other = STARTED.model_copy(update={"environment": factories.environment("Tesla T4")})
    assert "another host's" in judged(STARTED, other)[1]


def test_nothing_comes_after_the_last_record() -> None:
    done = Finished(plan_id=PLAN.plan_id, measured=0, failed=0)
    assert judged(STARTED, done, BEAT)[2] == "it came after the last record"


@pytest.mark.parametrize(("seq", "shown"), [(0, "is 0"), (1, "is 1"), (10**4000, "beyond all")])
def test_a_number_that_cannot_come_next_is_refused_and_costs_no_other(seq: int, shown: str) -> None:
    admission = Admission(PLAN)
    judged(STARTED, BEAT, of=admission)
    why = admission.objection(BEAT.model_copy(update={"seq": seq}))
    assert shown in why
    assert why.endswith("2 was to come")
    assert admission.objection(BEAT.model_copy(update={"seq": 2})) == ""


def test_records_lost_on_the_way_are_no_reason_to_refuse_the_next() -> None:
    admission = Admission(PLAN)
    assert admission.objection(STARTED.model_copy(update={"seq": 700})) == ""


def test_more_heartbeats_than_a_plan_can_need_end_the_stream() -> None:
    brief = factories.plan([RESNET], protocol=Protocol(case_limit_s=60.0, heartbeat_s=5.0))
    allowed = Allowance.of(brief).events
    assert allowed == 1000 + 42  # 30 stages and 60 s / 5 s
    admission = Admission(brief)
    judged(*[BEAT] * allowed, of=admission)
    with pytest.raises(TooMuchError, match="more than 1,042 heartbeats"):
        admission.objection(BEAT.model_copy(update={"seq": allowed}))


def test_a_host_fails_as_a_whole_only_so_often() -> None:
    why = judged(*[factories.failure(None, "error", "no")] * 21)
    assert why == [""] * 20 + ["this host has failed 20 times already"]


def test_time_that_goes_backwards_is_told_once() -> None:
    admission = Admission(PLAN)
    times_s = (0.0, 9.0, 4.0, 5.0, 1.0)
    told = [admission.oddity(BEAT.model_copy(update={"elapsed_s": each})) for each in times_s]
    assert told == ["", "", "its clock went back by 5 s: do not trust what it timed", "", ""]


def test_a_last_record_that_counts_otherwise_than_what_came_is_told() -> None:
    admission = Admission(PLAN)
    judged(STARTED, factories.measurement(RESNET), factories.failure(VIT), of=admission)
    done = Finished(plan_id=PLAN.plan_id, measured=2, failed=0)
    assert admission.oddity(done) == (
        "it says that 2 cases were measured and 0 failed, and sent 1 and 1"
    )


def test_the_longest_line_grows_with_the_iterations() -> None:
    most = factories.plan([RESNET], protocol=Protocol(iterations=1_000_000))
    assert Allowance.of(PLAN).line_bytes < 3 << 20
    assert Allowance.of(most).line_bytes > 6 * 22 * 1_000_000


def test_a_name_without_end_is_not_repeated_without_end() -> None:
    endless = Failure(case_id="x" * 10**6, stage=None, reason="error", message="")
    assert len(judged(endless)[0]) < 200

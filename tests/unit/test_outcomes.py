from __future__ import annotations

from dataclasses import replace

from harness.contract.plan import Case
from harness.contract.records import (
    CaseStarted,
    Failure,
    Finished,
    Heartbeat,
    Measurement,
    Record,
    write_line,
)
from orchestrator.records.intake import Intake
from orchestrator.records.outcomes import Attempt, HostOutcome, fold
from orchestrator.records.stream import Read, Unreadable
from tests import factories

RESNET = factories.case("resnet-50")
VIT = factories.case("vit-base")
STARTED = factories.started([RESNET, VIT])
FINISHED = Finished(plan_id="x", measured=1, failed=0)


def opened(case: Case) -> CaseStarted:
    return CaseStarted(case_id=case.case_id, stage="build")


def attempt(*records: Record, interrupted: bool = False) -> Attempt:
    numbered = [record.model_copy(update={"seq": seq}) for seq, record in enumerate(records)]
    return Attempt(tuple(numbered), interrupted)


def collect(*attempts: Attempt) -> HostOutcome:
    return fold("local", attempts, STARTED.plan_id)


def test_a_finished_stream_gives_every_result() -> None:
    outcome = collect(
        attempt(STARTED, opened(RESNET), factories.measurement(RESNET), opened(VIT),
                factories.failure(VIT, "oom"), FINISHED)
    )  # fmt: skip
    assert outcome.ending == "finished"
    assert list(outcome.measurements) == [RESNET.case_id]
    assert outcome.failures[VIT.case_id].reason == "oom"
    assert outcome.environment == factories.environment()


def test_a_stream_cut_mid_case_is_a_crash_of_that_case() -> None:
    outcome = collect(attempt(STARTED, opened(RESNET)))
    assert outcome.ending == "lost"
    crash = outcome.failures[RESNET.case_id]
    assert (crash.reason, crash.stage) == ("crash", "build")


def test_a_case_that_the_user_interrupted_has_not_failed() -> None:
    outcome = collect(attempt(STARTED, opened(RESNET), interrupted=True))
    assert outcome.ending == "interrupted"
    assert not outcome.failures


def test_a_resumed_run_replaces_an_earlier_failure() -> None:
    outcome = collect(
        attempt(STARTED, factories.failure(RESNET, "crash")),
        attempt(STARTED, factories.measurement(RESNET), FINISHED),
    )
    assert RESNET.case_id in outcome.measurements
    assert not outcome.failures


def test_a_later_failure_does_not_take_a_measurement_away() -> None:
    outcome = collect(
        attempt(STARTED, factories.measurement(RESNET)),
        attempt(STARTED, factories.failure(RESNET, "crash"), FINISHED),
    )
    assert RESNET.case_id in outcome.measurements
    assert not outcome.failures


def test_what_is_replayed_does_not_come_in_twice() -> None:
    records = attempt(STARTED, factories.measurement(RESNET), Heartbeat(case_id=None, stage=None))
    lines = [write_line(record).encode() for record in records.records]
    intake = Intake(factories.plan([RESNET, VIT]))
    items = list(intake.feed(b"".join(lines + lines)))
    assert [item.record for item in items if isinstance(item, Read)] == list(records.records)
    assert [item.why for item in items if isinstance(item, Unreadable)] == [
        f"its number is {seq}, and 3 was to come" for seq in range(3)
    ]


def test_a_gap_in_the_numbers_is_remarked() -> None:
    records = attempt(STARTED, opened(RESNET), factories.measurement(RESNET), FINISHED).records
    outcome = collect(Attempt((records[0], records[3])))
    assert outcome.remarks == ("2 of 4 records are missing",)


def test_a_failure_of_the_host_concerns_no_single_case() -> None:
    outcome = collect(attempt(factories.failure(None, "load_error", "torch cannot be loaded")))
    assert [failure.message for failure in outcome.host_failures] == ["torch cannot be loaded"]
    assert outcome.environment is None


def test_a_result_of_nobody_knows_what_is_refused() -> None:
    nameless = attempt(opened(RESNET), factories.measurement(RESNET), FINISHED)
    outcome = collect(nameless)
    assert outcome.measurements == {}
    assert outcome.refused == {RESNET.case_id: "nothing says what it was measured on"}
    known = collect(nameless, attempt(STARTED, factories.measurement(RESNET), FINISHED))
    assert list(known.measurements) == [RESNET.case_id]
    assert known.refused == {}


def test_nothing_at_all_is_a_lost_host() -> None:
    assert collect() == HostOutcome("local", "lost")


def test_results_keep_their_type() -> None:
    outcome = collect(attempt(STARTED, factories.measurement(RESNET), FINISHED))
    assert all(isinstance(each, Measurement) for each in outcome.measurements.values())
    assert all(isinstance(each, Failure) for each in outcome.failures.values())


def test_records_of_another_plan_say_nothing_about_this_one() -> None:
    other = STARTED.model_copy(update={"plan_id": "ffff"})
    outcome = collect(attempt(other, factories.measurement(RESNET), FINISHED))
    assert outcome.measurements == {}
    assert outcome.remarks == ("an attempt was made at another plan (ffff)",)


def test_a_record_with_a_wild_number_costs_no_other() -> None:
    wild = Heartbeat(case_id=None, stage=None, seq=10**18)
    records = attempt(STARTED, factories.measurement(RESNET)).records
    outcome = collect(Attempt((records[0], wild, records[1])))
    assert RESNET.case_id in outcome.measurements
    assert "records are missing" in outcome.remarks[0]


def refused(*records: Record) -> Attempt:
    return replace(attempt(*records), refused={RESNET.case_id: "no graph was captured"})


def test_a_case_whose_record_was_refused_is_neither_missing_nor_a_crash() -> None:
    outcome = collect(
        refused(STARTED, opened(VIT), factories.failure(VIT), opened(RESNET), FINISHED)
    )
    assert outcome.refused == {RESNET.case_id: "no graph was captured"}
    assert outcome.ending == "finished"
    assert list(outcome.failures) == [VIT.case_id]


def test_a_case_that_was_refused_and_then_measured_is_measured() -> None:
    again = attempt(STARTED, factories.measurement(RESNET), FINISHED)
    assert collect(refused(STARTED), again).refused == {}
    assert collect(again, refused(STARTED)).refused == {}

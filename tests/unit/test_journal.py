"""What a run remembers of its jobs, and which of their records count."""

from __future__ import annotations

from dataclasses import replace

from harness.contract.records import CaseStarted, Finished, Record
from orchestrator.records import journal
from orchestrator.records.journal import JobNote
from orchestrator.records.outcomes import Attempt, HostOutcome, Origin, Trouble, fold
from tests.factories import case, environment, measurement, plan, started

NOTE = JobNote("a100.1.jsonl", "job-1", case().case_id, 1, "10.0.0.2")
LOST = replace(NOTE, end="lost", why="node 10.0.0.2 was lost", again=True)
PLAN = plan([case()])


def records(*, whole: bool, eager_s: float = 0.010, uuid: str = "GPU-1") -> tuple[Record, ...]:
    device = environment().device.model_copy(update={"uuid": uuid})
    given: list[Record] = [
        started([case()], environment=environment(device=device)),
        CaseStarted(case_id=case().case_id, stage="build"),
        measurement(eager_s=eager_s),
    ]
    if whole:
        given.append(Finished(plan_id=PLAN.plan_id, measured=1, failed=0))
    return tuple(each.model_copy(update={"seq": seq}) for seq, each in enumerate(given))


def folded(*attempts: Attempt) -> HostOutcome:
    return fold("a100", attempts, PLAN.plan_id)


def test_the_last_note_on_a_job_counts_and_a_torn_one_does_not() -> None:
    first, second = journal.line(NOTE), journal.line(LOST)
    assert journal.read([first, second]) == {NOTE.attempt: LOST}
    assert journal.read([first, second[:40]]) == {NOTE.attempt: NOTE}
    assert journal.read([b"", b"[]\n", b'{"end": 3}\n']) == {}


def test_a_whole_attempt_counts_and_tells_where_it_was_made() -> None:
    outcome = folded(Attempt(records(whole=True), job=NOTE))
    assert outcome.ending == "finished"
    assert outcome.origins == {case().case_id: Origin("10.0.0.2", "GPU-1", 1)}


def test_what_a_lost_node_measured_is_never_joined_to_what_another_does() -> None:
    lost = Attempt(records(whole=False, eager_s=0.5), job=LOST)
    again = replace(NOTE, attempt="a100.2.jsonl", job="job-2", number=2, node="10.0.0.3")
    outcome = folded(lost, Attempt(records(whole=True, uuid="GPU-2"), job=again))
    measured = outcome.measurements[case().case_id]
    assert measured.blocks[0].samples_s[0] < 0.4
    assert outcome.origins[case().case_id] == Origin("10.0.0.3", "GPU-2", 2)
    assert [environment.device.uuid for environment in outcome.environments] == ["GPU-2"]
    (remark,) = outcome.remarks
    assert remark == f"{case().case_id} was repeated after try 1: node 10.0.0.2 was lost"


def test_a_case_whose_nodes_were_lost_three_times_is_failed_with_the_cause() -> None:
    tries = [Attempt(records(whole=False), job=replace(LOST, number=n)) for n in (1, 2)]
    given_up = replace(LOST, number=3, again=False)
    outcome = folded(*tries, Attempt(records(whole=False), job=given_up))
    assert outcome.measurements == {}
    failure = outcome.failures[case().case_id]
    assert (failure.reason, failure.message) == ("host_unavailable", "node 10.0.0.2 was lost")
    assert outcome.origins == {case().case_id: Origin("10.0.0.2", "GPU-1", 3)}


def test_a_job_under_way_gives_nothing_yet() -> None:
    outcome = folded(Attempt(records(whole=False), job=NOTE))
    assert (outcome.measurements, outcome.failures, outcome.ending) == ({}, {}, "lost")


def test_a_harness_that_broke_off_is_a_failure_even_after_a_result() -> None:
    broken = replace(NOTE, end="broken", why="killed")
    trouble = Trouble("the harness was killed", "crash")
    outcome = folded(Attempt(records(whole=False), trouble=trouble, job=broken))
    assert outcome.measurements == {}
    assert outcome.failures[case().case_id].reason == "crash"


def test_what_came_after_a_result_is_not_where_it_was_measured() -> None:
    whole = Attempt(records(whole=True), job=NOTE)
    late = replace(NOTE, attempt="a100.2.jsonl", node="10.0.0.9", number=2, end="lost", why="gone")
    outcome = folded(whole, Attempt(records(whole=False), job=late))
    assert outcome.origins[case().case_id].node == "10.0.0.2"


def test_a_case_that_waits_keeps_its_pool_from_having_finished() -> None:
    whole = Attempt(records(whole=True), job=NOTE)
    other = replace(NOTE, case_id=case(batch_size=4).case_id, attempt="a100.2.jsonl")
    assert folded(whole, Attempt((), job=other)).ending == "lost"

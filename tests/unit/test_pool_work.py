"""A pool at work, on a cluster in memory."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path

import pytest

from harness.contract.plan import Plan
from harness.contract.records import Finished, Record
from orchestrator import estimate
from orchestrator.cli.progress import NoProgress
from orchestrator.errors import NoHostError
from orchestrator.fleet import fleet
from orchestrator.hosts.job_log import Patience
from orchestrator.hosts.jobs import ClusterLinkError, JobsError, TokenError
from orchestrator.hosts.pooled import PooledHost
from orchestrator.inventory.pools import Pool
from orchestrator.publish import rendering
from orchestrator.records.outcomes import HostOutcome
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_cluster import MemoryCluster
from tests.fake_host import FakeHost, lines

CASES = [factories.case(batch_size=size) for size in range(1, 9)]
PLAN = factories.plan(CASES, weights="random")
QUICK = Patience(lost_s=0.2, silence_s=1, pause_s=0.01)


class Watcher(NoProgress):
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.remarks: list[str] = []
        self.troubles: dict[str, str] = {}

    def saw(self, host: str, record: Record) -> None:
        self.records.append(record)

    def noted(self, host: str, remark: str) -> None:
        self.remarks.append(remark)

    def ended(self, host: str, trouble: str) -> None:
        self.troubles[host] = trouble


class Run:
    """A run of one pool in a folder of its own."""

    def __init__(
        self, output: Path, cluster: MemoryCluster, workers: int = 3, *, controls: bool = False
    ) -> None:
        now = datetime.datetime.now(tz=datetime.UTC)
        self.folder = RunFolder.create(output, PLAN, ["a100"], "test", now)
        self.cluster, self.workers, self.watcher = cluster, workers, Watcher()
        self.controls = controls

    def measure(self, plan: Plan = PLAN) -> HostOutcome:
        pool = Pool("http://127.0.0.1:8265", "A100", workers=self.workers, controls=self.controls)
        host = PooledHost("a100", pool, lambda: self.cluster, QUICK)
        fleet.run({host: plan}, self.folder, self.watcher)
        (outcome,) = self.folder.outcomes()
        return outcome


def test_every_case_is_measured_once_each_in_a_job_of_its_own(tmp_path: Path) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN))
    outcome = run.measure()
    assert sorted(outcome.measurements) == sorted(case.case_id for case in CASES)
    assert (outcome.ending, outcome.remarks) == ("finished", ())
    assert len({request.id for request in run.cluster.requests}) == len(CASES)
    assert run.watcher.troubles == {"a100": ""}


def test_the_longest_case_is_submitted_first(tmp_path: Path) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN), workers=1)
    run.measure()
    sizes = [request.entrypoint.split("/b")[1].split()[0] for request in run.cluster.requests]
    longest = sorted(CASES, key=lambda case: estimate.share_s(PLAN, case), reverse=True)
    assert sizes == [str(case.batch_size) for case in longest]


def test_whoever_watches_sees_one_host_with_all_its_cases(tmp_path: Path) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN))
    run.measure()
    started = [record for record in run.watcher.records if record.kind == "started"]
    assert 1 <= len(started) <= 3
    assert sum(len(record.case_ids) for record in started) == len(CASES)
    assert Counter(r.kind for r in run.watcher.records)["measurement"] == len(CASES)


def test_a_lost_case_is_tried_again_twice_and_then_given_up(tmp_path: Path) -> None:
    once, for_good = CASES[0].case_id, CASES[1].case_id
    run = Run(tmp_path, MemoryCluster(PLAN, losses={once: 1, for_good: 3}))
    outcome = run.measure()
    assert outcome.origins[once].number == 2
    assert for_good not in outcome.measurements
    assert outcome.failures[for_good].reason == "host_unavailable"
    assert len(run.cluster.requests) == len(CASES) + 1 + 2
    assert len([remark for remark in outcome.remarks if "repeated" in remark]) == 3
    assert any("given up after 3 tries" in remark for remark in run.watcher.remarks)


def test_a_harness_that_breaks_off_is_a_crash_and_not_repeated(tmp_path: Path) -> None:
    broken = CASES[0].case_id
    run = Run(tmp_path, MemoryCluster(PLAN, codes={broken: 3}))
    outcome = run.measure()
    assert outcome.failures[broken].reason == "crash"
    assert len(run.cluster.requests) == len(CASES)
    assert len(outcome.measurements) == len(CASES) - 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ClusterLinkError("Connection refused"), "nothing listens there"),
        (TokenError("it refuses the token", 403), "it refuses the token"),
        (JobsError("what answers there is not a Ray dashboard"), "something else than a Ray"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_told_once(
    tmp_path: Path, error: JobsError, words: str
) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, refuses=error))
    outcome = run.measure()
    assert words in run.watcher.troubles["a100"]
    assert outcome.measurements == {}
    assert len(list((run.folder.path / "records").glob("*.jsonl"))) == 1
    (failure,) = outcome.host_failures
    assert words in failure.message


def test_a_pool_without_a_free_node_is_given_up_and_its_jobs_withdrawn(tmp_path: Path) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, pending=True))
    outcome = run.measure()
    assert "no A100 node was free for" in run.watcher.troubles["a100"]
    assert "no A100 node was free for" in outcome.host_failures[-1].message
    assert sorted(run.cluster.stopped) == sorted(request.id for request in run.cluster.requests)
    with pytest.raises(NoHostError):  # exit code 3
        rendering.exit_code(rendering.render(run.folder).comparison)


def test_a_worker_whose_node_cannot_measure_leaves_its_case_to_another(tmp_path: Path) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, unfit=1), workers=2)
    outcome = run.measure()
    assert len(outcome.measurements) == len(CASES)
    assert "cannot measure: no GPU is visible" in run.watcher.troubles["a100"]
    assert [origin.number for origin in outcome.origins.values()].count(2) == 1


def test_a_worker_without_a_case_waits_for_one_that_comes_back_late(tmp_path: Path) -> None:
    cluster = MemoryCluster(PLAN, unfit=1, unfit_after_s=1.5)
    run = Run(tmp_path, cluster, workers=2)
    outcome = run.measure()
    assert sorted(outcome.measurements) == sorted(case.case_id for case in CASES)
    assert sum("to be measured again" in remark for remark in run.watcher.remarks) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_case_is_not_called_repeated_where_no_worker_is_left(
    tmp_path: Path, workers: int
) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, unfit=workers), workers=workers)
    outcome = run.measure()
    assert outcome.measurements == {}
    told = [*outcome.remarks, *run.watcher.remarks]
    assert sum("repeated" in remark for remark in told) == workers - 1
    (failure,) = outcome.failures.values()
    assert failure.reason == "host_unavailable"
    assert "cannot measure: no GPU is visible" in failure.message


def test_a_node_whose_harness_says_nothing_gets_no_more_cases(tmp_path: Path) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, cards=2, broken="10.0.0.2"), workers=1)
    outcome = run.measure()
    assert sorted(outcome.measurements) == sorted(case.case_id for case in CASES)
    assert (outcome.ending, run.watcher.troubles) == ("finished", {"a100": ""})
    assert [request.avoid for request in run.cluster.requests[2:]] == [("10.0.0.2",)] * 7
    (remark,) = outcome.remarks
    assert "node 10.0.0.2 cannot measure" in remark
    assert "ended with exit code 1" in remark


def with_the_first_job_under_way(output: Path) -> Run:
    """A run whose desk died while the first job ran."""
    run = Run(output, MemoryCluster(PLAN), workers=1)
    run.measure()
    journal = run.folder.path / "jobs" / "a100.jsonl"
    noted = [line for line in journal.read_bytes().splitlines() if line]
    journal.write_bytes(b"\n".join(noted[:2]) + b"\n")
    for path in sorted((run.folder.path / "records").glob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        if path.name == "a100.1.jsonl":
            path.write_bytes(b"".join(lines[:2]))
        else:
            path.unlink()
    return run


def test_what_a_dead_desk_began_is_taken_up_and_not_begun_again(tmp_path: Path) -> None:
    run = with_the_first_job_under_way(tmp_path)
    submitted = len(run.cluster.requests)
    outcome = run.measure()
    assert sorted(outcome.measurements) == sorted(case.case_id for case in CASES)
    assert len(run.cluster.requests) == submitted + len(CASES) - 1


def test_a_job_that_an_earlier_desk_stopped_is_no_failure_of_its_case(tmp_path: Path) -> None:
    run = with_the_first_job_under_way(tmp_path)
    run.cluster.stop(run.cluster.requests[0].id)
    outcome = run.measure()
    assert sorted(outcome.measurements) == sorted(case.case_id for case in CASES)
    assert (outcome.failures, run.watcher.troubles) == ({}, {"a100": ""})


def test_how_many_workers_there_are_changes_no_result(tmp_path: Path) -> None:
    one, four = (
        Run(tmp_path / str(workers), MemoryCluster(PLAN), workers).measure() for workers in (1, 4)
    )
    assert {case: of.blocks for case, of in one.measurements.items()} == {
        case: of.blocks for case, of in four.measurements.items()
    }


def test_a_pool_and_another_host_share_a_run(tmp_path: Path) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, losses={CASES[0].case_id: 1}))
    pool = Pool("http://127.0.0.1:8265", "A100", workers=2, controls=False)
    host = PooledHost("a100", pool, lambda: run.cluster, QUICK)
    stream = lines(
        factories.started(CASES, plan_id=PLAN.plan_id),
        *(factories.measurement(case) for case in CASES),
        Finished(plan_id=PLAN.plan_id, measured=len(CASES), failed=0),
    )
    folder = RunFolder.create(
        tmp_path, PLAN, ["a100", "t4"], "test", datetime.datetime.now(tz=datetime.UTC)
    )
    fleet.run({FakeHost("t4", stream): PLAN, host: PLAN}, folder, run.watcher)
    assert [len(each.measurements) for each in folder.outcomes()] == [len(CASES)] * 2
    assert run.watcher.troubles == {"a100": "", "t4": ""}

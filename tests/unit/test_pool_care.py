"""What doctor finds out about a pool, and what clean leaves of its jobs."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.forecast import plan_text
from orchestrator.diagnosis.checks import Check
from orchestrator.fleet import cleaning, doctor
from orchestrator.hosts import cluster_advice, contained, container
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.jobs import ClusterLinkError, JobsError
from orchestrator.hosts.kinds.leftovers import Cleaned, Wish
from orchestrator.inventory.pools import Pool, PoolMachine
from orchestrator.records.journal import End, JobNote
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_jobs_server import FakeCluster, Played, serving

CASE = factories.case()
PLAN = factories.plan([CASE], weights="random")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    monkeypatch.setenv("RAY_TOKEN_HERE", "right")
    with serving(FakeCluster(token="right")) as served:
        yield served


def machine(cluster: FakeCluster, **changes: object) -> PoolMachine:
    values = {"accelerator": "A100", "token_env": "RAY_TOKEN_HERE", **changes}
    return PoolMachine("a100", Pool(cluster.url, **values))  # type: ignore[arg-type]


def examined(of: PoolMachine) -> dict[str, Check]:
    (found,) = doctor.examine([of], ImageSource())
    return {check.subject: check for check in found.checks}


def test_a_pool_that_can_measure_is_told_in_full(cluster: FakeCluster) -> None:
    cluster.nodes = [("10.0.0.1", "A100", 4.0), ("10.0.0.2", "T4", 1.0)]
    found = examined(machine(cluster, workers=4))
    assert {subject: check.state for subject, check in found.items()} == {
        "Ray": "good", "Token": "good", "Nodes": "good", "GPUs": "good", "Packages": "unknown",
    }  # fmt: skip
    assert found["Ray"].found == "2.60.0"
    assert found["GPUs"].found == "4, for 4 workers"
    assert not [call for call in cluster.calls if not call.startswith("GET ")]


def test_more_workers_than_gpus_only_wait(cluster: FakeCluster) -> None:
    check = examined(machine(cluster, workers=4))["GPUs"]
    assert (check.state, check.optional, check.mend) == ("bad", True, "workers = 1")


def test_an_accelerator_that_no_node_has_is_told_with_what_there_is(cluster: FakeCluster) -> None:
    check = examined(machine(cluster, accelerator="H100"))["Nodes"]
    assert check.state == "bad"
    assert "no H100 node now (there is: 1 × A100)" in check.found


def test_a_cluster_that_asks_for_no_token_is_warned_of(cluster: FakeCluster) -> None:
    cluster.token = ""
    check = examined(machine(cluster))["Token"]
    assert (check.state, check.optional) == ("bad", True)
    assert "run anything there" in check.found


def test_a_token_that_is_wrong_or_missing_is_told(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.token = "another"
    assert examined(machine(cluster))["Token"].found == "it refuses the token"
    monkeypatch.delenv("RAY_TOKEN_HERE")
    assert "RAY_TOKEN_HERE of token_env is not set" in examined(machine(cluster))["Token"].found


@pytest.mark.parametrize("token", ["a secret", "a\nsecret", "secrét", " \n"])
def test_a_token_that_is_none_is_named_by_its_variable_alone(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("RAY_TOKEN_HERE", token)
    check = examined(machine(cluster))["Token"]
    assert "the variable RAY_TOKEN_HERE of token_env" in check.found
    assert "secr" not in check.found + check.mend
    (done,) = cleaning.clean([machine(cluster)], Wish(), Path())
    assert "RAY_TOKEN_HERE of token_env" in done.failed
    assert cluster.calls == []


def test_blanks_around_a_token_are_none_of_it(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TOKEN_HERE", f" {cluster.token}\n")
    assert examined(machine(cluster))["Token"].state == "good"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (JobsError("404: Not Found", 404), "(not a Ray dashboard: it answers 404)"),
        (ClusterLinkError("BadStatusLine('\x00')"), "(not a Ray dashboard: it speaks no HTTP)"),
    ],
)
def test_what_is_no_dashboard_is_told_so(error: JobsError, words: str) -> None:
    sentence, advice = cluster_advice.cause(error)
    assert sentence.startswith("something else than a Ray dashboard")
    assert sentence.endswith(words)
    assert "port 8265" in advice


def test_a_cluster_out_of_reach_is_told() -> None:
    found = examined(PoolMachine("a100", Pool("http://127.0.0.1:9", "A100")))
    assert "nothing listens there" in found["Ray"].found


def test_a_plan_for_a_pool_is_estimated_for_all_its_workers(cluster: FakeCluster) -> None:
    assert "on 4 GPUs" in plan_text(PLAN, [machine(cluster, workers=4)])
    two = factories.plan([CASE, factories.case(batch_size=4)], weights="random")
    told = plan_text(two, [machine(cluster, workers=4)])
    assert f"on 4 GPUs; {CASE.case_id} 2 times more, to see if workers agree" in told


def cleaned(cluster: FakeCluster, output: Path, wish: Wish) -> Cleaned:
    (done,) = cleaning.clean([machine(cluster)], wish, output)
    assert not done.failed
    return done


def test_clean_forgets_what_is_over_and_keeps_what_is_not(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    now = datetime.datetime.now(tz=datetime.UTC)
    folder = RunFolder.create(tmp_path, PLAN, ["a100"], "test", now)
    labels = {container.HOST: "a100", container.OWNER: contained.owner()}
    ends: tuple[End, ...] = ("whole", "")
    for number, end in enumerate(ends, start=1):
        with folder.attempt("a100", PLAN) as attempt:
            note = JobNote(attempt.name, f"job-{number}", CASE.case_id, 1, end=end)
            folder.note_job("a100", note)
        told = labels | {container.RUN: folder.path.name, container.ATTEMPT: attempt.name}
        cluster.jobs[f"job-{number}"] = Played(["SUCCEEDED"], told={"metadata": told})
    stranger = {**labels, container.OWNER: "somebody@else", container.RUN: folder.path.name}
    cluster.jobs["theirs"] = Played(["SUCCEEDED"], told={"metadata": stranger})
    done = cleaned(cluster, tmp_path, Wish())
    assert done.removed == ["job job-1"]
    assert "kept job job-2, which has records to fetch" in done.kept[0]
    assert sorted(cluster.jobs) == ["job-2", "theirs"]
    assert cleaned(cluster, tmp_path, Wish(folder.path.name, force=True)).removed == ["job job-2"]

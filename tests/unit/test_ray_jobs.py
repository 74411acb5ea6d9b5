"""The client of the Jobs API, against a server that has bad days."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from orchestrator.hosts.jobs import ClusterLinkError, JobRequest, JobsError, TokenError
from orchestrator.hosts.ray import RayJobs
from tests.fake_jobs_server import FakeCluster, Played, serving

REQUEST = JobRequest("run-1", "true", "_ray_pkg_1.zip", "A100", metadata={"run": "r"})


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with serving(FakeCluster()) as served:
        yield served


@pytest.fixture
def jobs(cluster: FakeCluster) -> Iterator[RayJobs]:
    client = RayJobs(cluster.url)
    yield client
    client.close()


def test_a_cluster_tells_its_version_and_its_nodes(jobs: RayJobs) -> None:
    assert jobs.version() == "2.60.0"
    (node,) = jobs.nodes()
    assert (node.address, node.alive, node.accelerator, node.gpus) == ("10.0.0.1", True, "A100", 1)


def test_a_package_is_sent_once(cluster: FakeCluster, jobs: RayJobs) -> None:
    assert jobs.keep_package("_ray_pkg_1.zip", b"content")
    assert not jobs.keep_package("_ray_pkg_1.zip", b"content")
    assert cluster.packages == {"_ray_pkg_1.zip": b"content"}


def test_a_job_says_what_it_runs_and_on_which_nodes(cluster: FakeCluster, jobs: RayJobs) -> None:
    cluster.script = [Played()]
    jobs.submit(REQUEST)
    assert cluster.requests == [
        {
            "submission_id": "run-1",
            "entrypoint": "true",
            "runtime_env": {"working_dir": "gcs://_ray_pkg_1.zip"},
            "metadata": {"run": "r"},
            "entrypoint_num_gpus": 1,
            "entrypoint_label_selector": {"ray.io/accelerator-type": "A100"},
        }
    ]


def test_a_job_avoids_nodes_by_a_label_that_ray_gives_to_each(
    cluster: FakeCluster, jobs: RayJobs
) -> None:
    cluster.script = [Played()]
    jobs.submit(dataclasses.replace(REQUEST, avoid=("0a", "0b")))
    assert cluster.requests[0]["entrypoint_label_selector"] == {
        "ray.io/accelerator-type": "A100",
        "ray.io/node-id": "!in(0a,0b)",
    }


def test_a_job_that_is_submitted_twice_starts_once(cluster: FakeCluster, jobs: RayJobs) -> None:
    cluster.script = [Played(), Played()]
    jobs.submit(REQUEST)
    jobs.submit(REQUEST)
    assert len(cluster.requests) == 1


def test_a_submission_that_timed_out_but_started_counts(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.script, cluster.hangs_s = [Played(["PENDING"])], 0.5
    jobs = RayJobs(cluster.url, call_s=0.1)
    jobs.submit(REQUEST)
    jobs.close()
    assert len(cluster.requests) == 1


def test_a_refusal_is_the_last_line_of_its_traceback(cluster: FakeCluster, jobs: RayJobs) -> None:
    cluster.refuses = (500, "Traceback (most recent call last):\n  File\nValueError: bad\n")
    with pytest.raises(JobsError, match=r"^ValueError: bad$"):
        jobs.submit(REQUEST)


def test_a_wrong_token_and_none_at_all_are_told_apart(cluster: FakeCluster) -> None:
    cluster.token = "right"
    for token, words in (("", "wants a token"), ("wrong", "refuses the token")):
        jobs = RayJobs(cluster.url, token)
        with pytest.raises(TokenError, match=words):
            jobs.version()
        with pytest.raises(TokenError, match=words):
            list(jobs.tail("run-1", 1))
        jobs.close()
    jobs = RayJobs(cluster.url, "right")
    assert jobs.version()
    jobs.close()


def test_a_tail_gives_every_byte_however_it_was_cut(cluster: FakeCluster, jobs: RayJobs) -> None:
    line = b"x" * 65_536 + b"\n"
    whole = line * 3
    chunks = [whole[i : i + 10_000] for i in range(0, len(whole), 10_000)]
    cluster.jobs["j"] = Played(tails=[(chunks, 1000)])
    assert b"".join(jobs.tail("j", 5)) == whole


@pytest.mark.parametrize(
    ("code", "words"), [(None, "broke"), (1011, "broke"), (-1, "nothing heard")]
)
def test_a_tail_that_breaks_is_a_lost_link(
    cluster: FakeCluster, jobs: RayJobs, code: int | None, words: str
) -> None:
    cluster.jobs["j"] = Played(tails=[([b"one\n"], code)])
    got = []
    with pytest.raises(ClusterLinkError, match=words):
        got.extend(jobs.tail("j", 0.2))


def test_the_log_of_a_node_that_is_gone_is_refused(cluster: FakeCluster, jobs: RayJobs) -> None:
    cluster.jobs["j"] = Played(log=None)
    with pytest.raises(JobsError) as caught:
        jobs.log("j")
    assert caught.value.status == 500


def test_a_job_that_nobody_knows_has_no_state(jobs: RayJobs) -> None:
    assert jobs.state("unknown") is None


def test_a_job_can_be_stopped_and_forgotten(cluster: FakeCluster, jobs: RayJobs) -> None:
    cluster.jobs["j"] = Played(["RUNNING"])
    jobs.stop("j")
    state = jobs.state("j")
    assert state is not None
    assert state.status == "STOPPED"
    jobs.delete("j")
    assert jobs.jobs() == ()


def test_nobody_listening_is_a_lost_link() -> None:
    jobs = RayJobs("http://127.0.0.1:9")
    with pytest.raises(ClusterLinkError, match="Connection refused"):
        jobs.version()
    with pytest.raises(ClusterLinkError, match="Connection refused"):
        list(jobs.tail("j", 1))
    jobs.close()

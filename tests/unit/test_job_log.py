"""Following a job through whatever happens to it, with a dashboard that plays it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import HostError
from orchestrator.hosts import FromStart, host_log
from orchestrator.hosts.cluster_advice import (
    HarnessEndedError,
    JobStoppedError,
    NodeLostError,
    PoolError,
)
from orchestrator.hosts.host_log import HostLog
from orchestrator.hosts.job_log import JobLog, Patience
from orchestrator.hosts.jobs import JobState
from orchestrator.hosts.ray import RayJobs
from orchestrator.hosts.replaying import ReplayingSession
from tests.fake_jobs_server import FakeCluster, Played, serving

QUICK = Patience(lost_s=0.3, silence_s=0.2, pause_s=0.02)
ONE = b'{"seq":0,"kind":"started"}\n'
TWO = b'{"seq":1,"kind":"heartbeat"}\n'
LAST = b'{"seq":2,"kind":"finished"}\n'
WHOLE = ONE + TWO + LAST


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with serving(FakeCluster()) as served:
        yield served


def following(jobs: RayJobs, log: Path, states: list[JobState] | None = None) -> ReplayingSession:
    """A session that follows the job "j" and tells what states it was in."""
    seen = ([] if states is None else states).append
    source = JobLog(
        "a100", jobs, "j", "run-1", QUICK.silence_s, seen, log=HostLog(log),
        patience_s=QUICK.lost_s, pause_s=QUICK.pause_s,
    )  # fmt: skip
    return ReplayingSession(source)


class Heard:
    """A session followed to its end, as the desk would: told as soon as the last record is kept."""

    def __init__(self, cluster: FakeCluster, job: Played, folder: Path) -> None:
        cluster.jobs["j"] = job
        self.log, self.states = folder / "a100.1.log", list[JobState]()
        jobs = RayJobs(cluster.url)
        self.session = following(jobs, self.log, self.states)
        self.records, self.remarks, self.away = b"", list[str](), list[bool]()
        self.error: HostError | None = None
        try:
            for chunk in self.session.chunks():
                self._take(chunk)
        except HostError as error:
            self.error = error
        finally:
            jobs.close()

    def _take(self, chunk: bytes | FromStart) -> None:
        if isinstance(chunk, FromStart):
            self.remarks.append(chunk.remark)
            self.away.append(chunk.away)
            self.records = b""
            return
        self.records += chunk
        if b"finished" in chunk:
            self.session.finish()


def test_records_are_given_and_the_rest_of_the_log_is_kept(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    text = b"Running entrypoint for job j\n" + ONE + b"warning\n" + TWO + b"40%|####\r" + LAST
    heard = Heard(cluster, Played(tails=[([text], 1000)]), tmp_path)
    assert (heard.records, heard.error, heard.remarks) == (WHOLE, None, [])
    assert heard.log.read_bytes() == b"Running entrypoint for job j\nwarning\n40%|####\r"


def test_a_job_that_prints_without_end_does_not_fill_the_disk(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_log, "MAX_LOG_BYTES", 10_000)
    text = b"".join(b"%04d: a library says something\n" % i for i in range(2_000))
    heard = Heard(cluster, Played(tails=[([text, WHOLE], 1000)]), tmp_path)
    assert heard.records == WHOLE
    assert heard.log.read_bytes()[:10_000] == text[:10_000]
    assert 0 < heard.log.stat().st_size - 10_000 < 100


def test_long_records_are_whole_however_their_chunks_were_cut(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    long = b"".join(b'{"seq":%d,"pad":"%s"}\nRay says\n' % (i, b"x" * 65_536) for i in range(5))
    text = long + LAST.replace(b"2", b"5")
    chunks = [text[i : i + 7_001] for i in range(0, len(text), 7_001)]
    heard = Heard(cluster, Played(tails=[(chunks, 1000)]), tmp_path)
    assert heard.records == text.replace(b"Ray says\n", b"")


def test_a_tail_that_ends_while_the_job_runs_is_followed_again(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    job = Played(["RUNNING"], tails=[([ONE], 1000), ([ONE + TWO], 1000), ([WHOLE], 1000)])
    heard = Heard(cluster, job, tmp_path)
    assert (heard.records, heard.error) == (WHOLE, None)


def test_a_tail_that_breaks_is_played_again_and_nothing_is_given_twice(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    job = Played(["RUNNING"], tails=[([ONE + b"noise\n" + TWO[:9]], None), ([WHOLE], 1000)])
    heard = Heard(cluster, job, tmp_path)
    assert (heard.records, heard.error) == (WHOLE, None)
    assert "connecting again" in heard.remarks[0]
    assert heard.away == [True, False], "until it is back, nobody knows what the host does"


def test_silence_is_a_broken_tail(cluster: FakeCluster, tmp_path: Path) -> None:
    job = Played(["RUNNING"], tails=[([ONE], -1), ([WHOLE], 1000)])
    heard = Heard(cluster, job, tmp_path)
    assert heard.records == WHOLE
    assert "nothing heard" in heard.remarks[0]


def test_a_tail_that_ends_before_the_log_does_is_made_up_for(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    heard = Heard(cluster, Played(["SUCCEEDED"], [([ONE], 1000)], log=WHOLE), tmp_path)
    assert (heard.records, heard.error) == (WHOLE, None)


def test_a_node_that_is_gone_is_lost_although_its_tail_ended_politely(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    job = Played(["RUNNING", "RUNNING", "FAILED"], [([ONE], 1000)], log=None)
    heard = Heard(cluster, job, tmp_path)
    assert isinstance(heard.error, NodeLostError)
    assert "node 0a1b2c3d4e5f was lost" in heard.error.sentence
    assert heard.records == ONE


def test_a_job_that_its_cluster_forgot_is_lost(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.script = []
    job = Played(["RUNNING"], [([ONE], 1000)])
    cluster.jobs["j"] = job
    session = following(jobs := RayJobs(cluster.url), tmp_path / "log")
    chunks = session.chunks()
    assert next(chunks) == ONE
    cluster.jobs.clear()
    with pytest.raises(NodeLostError, match="forgot the job"):
        list(chunks)
    jobs.close()


def test_a_job_that_runs_and_says_nothing_is_given_up(cluster: FakeCluster, tmp_path: Path) -> None:
    heard = Heard(cluster, Played(["RUNNING"], [([ONE], 1000)]), tmp_path)
    assert isinstance(heard.error, NodeLostError)
    assert "silent" in heard.error.sentence
    assert "POST /api/jobs/j/stop" in cluster.calls


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        ({"driver_exit_code": 1}, HarnessEndedError, "ended with exit code 1"),
        ({"driver_exit_code": -9}, HarnessEndedError, "was killed"),
        ({"driver_exit_code": 2}, HarnessEndedError, "cannot use the plan"),
        ({"error_type": "RUNTIME_ENV_SETUP_FAILURE", "message": "no pip"}, PoolError, "no pip"),
        ({"error_type": "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"}, NodeLostError, "no node took"),
        ({"error_type": "JOB_SUPERVISOR_ACTOR_DIED"}, NodeLostError, "was lost"),
    ],
)
def test_how_a_job_ended_without_an_end_record_is_told(
    cluster: FakeCluster, tmp_path: Path, told: dict[str, object], kind: type, words: str
) -> None:
    job = Played(["FAILED"], [([ONE], 1000)], log=ONE, told=told)
    heard = Heard(cluster, job, tmp_path)
    assert type(heard.error) is kind
    assert words in heard.error.sentence


def test_a_job_that_somebody_stopped_is_no_lost_node(cluster: FakeCluster, tmp_path: Path) -> None:
    heard = Heard(cluster, Played(["STOPPED"], [([ONE], 1000)]), tmp_path)
    assert type(heard.error) is JobStoppedError
    assert "somebody stopped" in heard.error.sentence


def test_a_cluster_out_of_reach_is_lost_and_its_job_goes_on(tmp_path: Path) -> None:
    with serving(FakeCluster()) as cluster:
        cluster.jobs["j"] = Played(["RUNNING"], [([ONE], 1000)])
        jobs = RayJobs(cluster.url)
        session = following(jobs, tmp_path / "log")
        chunks = session.chunks()
        assert next(chunks) == ONE
    with pytest.raises(HostError, match="was lost: nothing heard") as caught:
        list(chunks)
    jobs.close()
    assert caught.value.reason == "host_unavailable"
    assert "attach run-1" in caught.value.advice


def test_a_token_that_is_refused_meanwhile_is_said(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.token = "another"
    heard = Heard(cluster, Played(["RUNNING"]), tmp_path)
    assert type(heard.error) is HostError
    assert "it wants a token" in heard.error.sentence


def test_a_job_that_is_stopped_ends_without_an_error(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.jobs["j"] = Played(["RUNNING"], [([ONE], 1000)])
    jobs = RayJobs(cluster.url)
    session = following(jobs, tmp_path / "log")
    chunks = session.chunks()
    next(chunks)
    assert session.stop()
    assert list(chunks) == []
    assert cluster.jobs["j"].states == ["STOPPED"]
    jobs.close()


def test_a_job_that_is_left_alone_runs_on(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.jobs["j"] = Played(["RUNNING"], [([ONE], 1000)])
    jobs = RayJobs(cluster.url)
    session = following(jobs, tmp_path / "log")
    next(session.chunks())
    assert session.detach()
    assert cluster.jobs["j"].states == ["RUNNING"]
    jobs.close()

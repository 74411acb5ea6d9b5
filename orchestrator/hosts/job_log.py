"""A harness in a job of a cluster, whose log is on the node that runs it and nowhere else.

The harness's own end record makes an attempt whole. Without one the job's state decides: running,
its log is followed again; ended by its own code, the harness broke off; anything else, its node is
lost, and nothing that it said may be joined to what another attempt says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from orchestrator.errors import HostError
from orchestrator.hosts import LogError, cluster_advice
from orchestrator.hosts.job_lines import JobLines
from orchestrator.hosts.jobs import ClusterLinkError, Jobs, JobsError, JobState
from orchestrator.hosts.replaying import LogSource


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long a cluster may be out of reach, or without a free node; after which silence
    a log's connection counts as cut; how long to wait between two questions."""

    lost_s: float = 600.0
    silence_s: float = 30.0
    pause_s: float = 1.0


@dataclass(slots=True)
class JobLog(LogSource):
    """A job of a pool, and the harness in it. `seen` is told each state of the job that was asked
    for."""

    pool: str
    jobs: Jobs
    job: str
    run_id: str
    silence_s: float
    seen: Callable[[JobState], None]
    _lines: JobLines = field(default_factory=JobLines)
    _finished: bool = False
    _state: JobState = field(init=False)

    @property
    def is_over(self) -> bool:
        return self._finished or self.closing.is_set()

    def play(self) -> Iterator[bytes]:
        """Whole lines, each with a record, and none twice."""
        return self._play(self.jobs.tail(self.job, self.silence_s))

    def _play(self, chunks: Generator[bytes, None, None]) -> Iterator[bytes]:
        """What is new in a log that is played from its first byte."""
        self._lines.restart()
        heard = 0
        with contextlib.closing(chunks):
            for chunk in chunks:
                heard += len(chunk)
                self.heard.note(heard)
                yield from self._lines.feed(chunk)
                self.log.write(bytes(self._lines.other))
                self._lines.other.clear()
                if self.is_over:
                    return

    def has_ended(self) -> bool:
        """Raises: JobsError; NodeLostError: nobody knows of the job any more."""
        state = self.jobs.state(self.job)
        if state is None:
            raise self._ended(cluster_advice.forgotten(self.pool))
        self._state = state
        self.seen(state)
        return state.ended

    def await_news(self) -> str:
        """A job may be called running for as long as its cluster likes. Raises: NodeLostError."""
        if self.heard.silent_s > self.patience_s:
            self.stop()
            raise self._ended(cluster_advice.silent(self.pool, self.heard.silent_s))
        self.closing.wait(self.pause_s)
        return ""

    def reach(self) -> None:
        self.has_ended()

    def begin_anew(self) -> None:
        self._lines.forget()

    def lost(self, error: LogError, *, asked_again: bool) -> HostError | None:
        """Of this program's way to the cluster alone: the job goes on, and can be taken up."""
        if not asked_again or isinstance(error, ClusterLinkError):
            return None
        assert isinstance(error, JobsError)
        told = cluster_advice.explain(self.pool, error)
        return HostError(told.sentence, told.advice)

    def out_of_reach(self, error: LogError) -> HostError:
        return cluster_advice.out_of_reach(self.pool, self.heard.silent_s, error, self.run_id)

    def last_words(self) -> Iterator[bytes]:
        """A tail may end before its log does; the log itself goes with its node. Raises: HostError;
        NodeLostError."""
        with contextlib.suppress(JobsError):
            yield from self._play(_once(self.jobs.log(self.job)))
        if not self.is_over:
            raise self._ended(cluster_advice.ended(self.pool, self._state, self.run_id))

    def _ended(self, error: HostError) -> HostError:
        self.close()
        return error

    def recover(self, _seq: int, /) -> bool:
        """A job's log is all there is of it."""
        return False

    def stop(self) -> bool:
        """Returns: whether it could be told to, or has ended."""
        self.closing.set()
        try:
            self.jobs.stop(self.job)
        except JobsError:
            return self.done.is_set()
        self.done.set()
        return True

    def finish(self) -> None:
        self._finished = True
        self.done.set()

    def kill(self) -> bool:
        """A cluster kills what does not end within its three seconds' grace."""
        return not self.done.is_set() and self.stop()

    def close(self) -> None:
        """The line to a cluster is its pool's."""
        self.done.set()
        self.log.end()


def _once(log: bytes) -> Generator[bytes, None, None]:
    yield log

"""Following a job on a cluster, whose log is on the node that runs it and nowhere else.

The end of a tail proves nothing: that of a lost node ends as politely as any. The harness's own end
record makes an attempt whole. Without one the job's state decides: running, its log is followed
again from the first byte; ended by its own code, the harness broke off; anything else, its node is
lost, and nothing that it said may be joined to what another attempt says.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.errors import HostError
from orchestrator.hosts import FromStart, cluster_advice
from orchestrator.hosts.job_lines import JobLines
from orchestrator.hosts.jobs import ClusterLinkError, Jobs, JobsError, JobState

_LONGEST_PAUSE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long a cluster may be out of reach, or without a free node; after which silence
    a log's connection counts as cut; how long to wait between two questions."""

    lost_s: float = 600.0
    silence_s: float = 30.0
    pause_s: float = 1.0


@dataclass(slots=True)
class JobSession:
    """A harness at work in a job. `seen` is told each state of the job that was asked for."""

    pool: str
    jobs: Jobs
    job: str
    run_id: str
    log: Path
    patience: Patience
    seen: Callable[[JobState], None]
    _lines: JobLines = field(default_factory=JobLines)
    _closing: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)
    _finished: bool = False
    _stopped: bool = False
    _heard_bytes: int = 0
    _heard_s: float = field(default_factory=time.monotonic)

    def chunks(self) -> Iterator[bytes | FromStart]:
        """Whole lines, each with a record. Raises: HostError; NodeLostError."""
        while not self._over():
            try:
                yield from self._play(self.jobs.tail(self.job, self.patience.silence_s))
                state = None if self._over() else self._state()
            except JobsError as error:
                if self._over():
                    break
                yield FromStart(f"the connection broke ({error.text}); connecting again")
                yield FromStart(f"following again after {self._connect_again(error):.0f} s")
                self._lines.forget()
                continue
            if state is not None and state.ended:
                yield from self._last_look()
                if not self._over():
                    raise self._broken_off(state)
            self._require_news()
            self._closing.wait(0 if self._over() else self.patience.pause_s)
        self._done.set()

    def _over(self) -> bool:
        return self._finished or self._closing.is_set()

    def _play(self, chunks: Generator[bytes, None, None]) -> Iterator[bytes]:
        """What is new in a log that is played from its first byte."""
        self._lines.restart()
        heard = 0
        with contextlib.closing(chunks):
            for chunk in chunks:
                heard += len(chunk)
                if heard > self._heard_bytes:
                    self._heard_bytes, self._heard_s = heard, time.monotonic()
                yield from self._lines.feed(chunk)
                self._keep_rest()
                if self._over():
                    return

    def _keep_rest(self) -> None:
        """What a library printed must not end a run for which there is no room."""
        if self._lines.other:
            with contextlib.suppress(OSError), self.log.open("ab") as file:
                file.write(self._lines.other)
            self._lines.other.clear()

    def _state(self) -> JobState:
        """Raises: NodeLostError: nobody knows of the job any more."""
        state = self.jobs.state(self.job)
        if state is None:
            raise self._ended(cluster_advice.forgotten(self.pool))
        self.seen(state)
        return state

    def _last_look(self) -> Iterator[bytes]:
        """A tail may end before its log does; the log itself goes with its node."""
        with contextlib.suppress(JobsError):
            yield from self._play(_once(self.jobs.log(self.job)))

    def _broken_off(self, state: JobState) -> HostError:
        if self._stopped:
            self._done.set()
        return self._ended(cluster_advice.ended(self.pool, state, self.run_id))

    def _require_news(self) -> None:
        """A job may be called running for as long as its cluster likes. Raises: NodeLostError."""
        silent_s = time.monotonic() - self._heard_s
        if silent_s > self.patience.lost_s and not self._over():
            self.stop()
            raise self._ended(cluster_advice.silent(self.pool, silent_s))

    def _connect_again(self, error: JobsError) -> float:
        """Returns: seconds it took. Raises: HostError: the cluster stayed out of reach."""
        start_s, pause_s = time.monotonic(), self.patience.pause_s
        while not self._closing.wait(pause_s):
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                self._state()
            except ClusterLinkError as trouble:
                error = trouble
            except JobsError as trouble:
                told = cluster_advice.explain(self.pool, trouble)
                # Of this desk's way to the cluster alone: the job goes on, and can be taken up.
                raise self._ended(HostError(told.sentence, told.advice)) from trouble
            else:
                break
            away_s = time.monotonic() - self._heard_s
            if away_s > self.patience.lost_s:
                lost = cluster_advice.out_of_reach(self.pool, away_s, error, self.run_id)
                raise self._ended(lost) from error
        return time.monotonic() - start_s

    def _ended(self, error: HostError) -> HostError:
        self._done.set()
        return error

    def stop(self) -> bool:
        """Returns: whether it could be told to."""
        self._stopped = True
        self._closing.set()
        try:
            self.jobs.stop(self.job)
        except JobsError:
            return self._done.is_set()
        return True

    def recover(self, _seq: int, /) -> bool:
        """A job's log is all there is of it."""
        return False

    def finish(self) -> None:
        self._finished = True

    def detach(self) -> bool:
        running = not self._done.is_set()
        self._closing.set()
        return running

    def kill(self) -> bool:
        """A cluster kills what does not end within its three seconds' grace."""
        return not self._done.is_set() and self.stop()


def _once(log: bytes) -> Generator[bytes, None, None]:
    yield log

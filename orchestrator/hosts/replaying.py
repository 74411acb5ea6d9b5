"""Following a harness by a log that can be read again from its first byte.

The end of such a log proves nothing: a dead link ends it as well, and so does an engine or a node
that goes down. So whatever holds the log is asked whether the harness has ended, and unless it has,
the log is read again; who takes the records drops those he has. Silence counts as a dead link,
because a harness sends heartbeats.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.errors import HostError
from orchestrator.hosts import FromStart, LogError
from orchestrator.hosts.host_log import HostLog

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 15.0


@dataclass(slots=True)
class Heard:
    """How much of a log has ever been heard, and when there last was something new."""

    log_bytes: int = 0
    at_s: float = field(default_factory=time.monotonic)

    def note(self, log_bytes: int) -> None:
        """So much was read since the log was begun."""
        if log_bytes > self.log_bytes:
            self.log_bytes, self.at_s = log_bytes, time.monotonic()

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self.at_s


@dataclass(slots=True, kw_only=True)
class LogSource(ABC):
    """What holds a harness and its log: a container, a job of a cluster.

    What the harness prints besides goes to `log`. `patience_s` is how long it may stay out of reach
    before it counts as lost, `pause_s` the first pause between two tries. `closing` is set when
    nobody follows any more, `done` once nothing is left that could be told anything; `heard` is
    what `play` has given so far.
    """

    log: HostLog
    patience_s: float
    pause_s: float = FIRST_PAUSE_S
    closing: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    heard: Heard = field(default_factory=Heard)

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether nobody wants to hear more of it."""

    @abstractmethod
    def play(self) -> Iterator[bytes | FromStart]:
        """Records from the first byte of the log on, as they come. Raises: LogError."""

    @abstractmethod
    def has_ended(self) -> bool:
        """Ask whether the harness has. Raises: LogError; HostError: nobody knows of it any more."""

    @abstractmethod
    def await_news(self) -> str:
        """The log ended and the harness goes on: wait a moment before it is read again.

        Returns: what to say of it; empty where `play` gives nothing twice, so that nobody needs to
        begin anew. Raises: HostError: it has been silent for too long.
        """

    @abstractmethod
    def reach(self) -> None:
        """Connect again, and ask for the harness. Raises: LogError; HostError."""

    @abstractmethod
    def begin_anew(self) -> None:
        """It was out of reach and no longer is, and who takes its records begins anew."""

    @abstractmethod
    def lost(self, error: LogError, *, asked_again: bool) -> HostError | None:
        """What an error means if no waiting mends it, else None.

        Args:
            asked_again: whether `reach` raised it.
        """

    @abstractmethod
    def out_of_reach(self, error: LogError) -> HostError:
        """It has been for too long, and this is the last that was seen of it."""

    @abstractmethod
    def last_words(self) -> Iterator[bytes | FromStart]:
        """What is left to be heard or told of a harness that has ended.

        Raises: HostError: how it ended, where that is worth a sentence.
        """

    @abstractmethod
    def recover(self, seq: int, /) -> bool:
        """See Session."""

    @abstractmethod
    def stop(self) -> bool:
        """See Session."""

    @abstractmethod
    def finish(self) -> None:
        """See Session."""

    @abstractmethod
    def kill(self) -> bool:
        """See Session."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it: nothing more is heard or told. May be called again."""


@dataclass(frozen=True, slots=True)
class ReplayingSession:
    """A harness at work where its log can be read again."""

    source: LogSource

    def chunks(self) -> Iterator[bytes | FromStart]:
        """Raises: HostError."""
        source = self.source
        while not source.is_over:
            try:
                yield from source.play()
                ended = not source.is_over and source.has_ended()
            except LogError as error:
                if not source.is_over:
                    yield from self._until_reached(error)
                continue
            if ended:
                yield from source.last_words()
                return
            if not source.is_over and (remark := source.await_news()):
                yield FromStart(remark)

    def _until_reached(self, error: LogError) -> Iterator[FromStart]:
        """Raises: HostError: the host stayed out of reach."""
        if lost := self.source.lost(error, asked_again=False):
            raise self._closed_for(lost) from error
        yield FromStart(f"the connection broke ({error.text}); connecting again", away=True)
        yield FromStart(f"following again after {self._reached_s():.0f} s")
        self.source.begin_anew()

    def _reached_s(self) -> float:
        """Returns: seconds that it took. Raises: HostError."""
        source = self.source
        start_s, pause_s = time.monotonic(), source.pause_s
        while not source.closing.wait(pause_s):
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            try:
                source.reach()
                break
            except LogError as error:
                if lost := source.lost(error, asked_again=True):
                    raise self._closed_for(lost) from error
                if source.heard.silent_s > source.patience_s:
                    raise self._closed_for(source.out_of_reach(error)) from error
        return time.monotonic() - start_s

    def _closed_for(self, error: HostError) -> HostError:
        self.source.close()
        return error

    def recover(self, seq: int, /) -> bool:
        return self.source.recover(seq)

    def stop(self) -> bool:
        return self.source.stop()

    def finish(self) -> None:
        self.source.finish()

    def detach(self) -> bool:
        running = not self.source.done.is_set()
        self.source.closing.set()
        self.source.close()
        return running

    def kill(self) -> bool:
        return self.source.kill()

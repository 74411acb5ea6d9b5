"""A harness in a container: the container's log is the durable copy of its records.

What an engine may have lost is in the copy that the harness keeps itself, which is read first.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.errors import HostError
from orchestrator.hosts import FromStart, LogError, advice
from orchestrator.hosts.engine import ContainerState, Engine, EngineError, LinkError
from orchestrator.hosts.keepsake import Keepsake
from orchestrator.hosts.persistence import is_final
from orchestrator.hosts.replaying import LONGEST_PAUSE_S, LogSource
from orchestrator.inventory.engines import EngineMachine

# Six heartbeats of the harness.
SILENCE_S: Final = 30.0
STOP_GRACE_S: Final = 15
# An engine that restarts is back by then; nothing but tidiness hangs on it.
_TIDY_S: Final = 30.0
_NOT_FOUND: Final = 404


@dataclass(slots=True)
class ContainerLog(LogSource):
    """A container of one host, and the harness in it.

    `run` is how a command names its run; one that was `taken_up` began before this program followed
    it.
    """

    machine: EngineMachine
    engine: Engine
    container: str
    run: str
    memory_bytes: int = 0
    silence_s: float = SILENCE_S
    taken_up: bool = False
    _stopped: bool = False
    _finished: bool = False
    _keepsake: Keepsake = field(init=False)
    _state: ContainerState = field(init=False)

    def __post_init__(self) -> None:
        self._keepsake = Keepsake(self.engine, self.container, self.silence_s, due=self.taken_up)

    @property
    def is_over(self) -> bool:
        return self.closing.is_set()

    def play(self) -> Iterator[bytes | FromStart]:
        """What the harness kept, where that is due, then the log; both again, when a record is
        missed."""
        while True:
            yield from self._keepsake.chunks()
            if not self._keepsake.wanted:
                self._keepsake.due = True
                yield from self._play_log()
            if not self._keepsake.wanted:
                return
            self._keepsake.wanted = False
            yield FromStart("a record did not come; asking the harness for it")

    def _play_log(self) -> Iterator[bytes]:
        """The log from its first byte until a record is missed; what is no record is kept once."""
        errors, heard = 0, 0
        for stream, chunk in self.engine.logs(self.container, self.silence_s):
            heard += len(chunk)
            self.heard.note(heard)
            if stream == "stdout":
                yield chunk
                if self._keepsake.wanted:
                    return
                continue
            errors += len(chunk)
            news = errors - self.log.written
            if news > 0:
                self.log.write(chunk[-news:])

    def has_ended(self) -> bool:
        self._state = self.engine.state(self.container)
        return self._state.ended

    def await_news(self) -> str:
        """An engine that shuts down ends its streams politely, and the harness lives on."""
        self.closing.wait(self.pause_s)
        return "the engine ended the stream, but the harness goes on; following again"

    def reach(self) -> None:
        self.engine.connect()
        self.engine.state(self.container)

    def begin_anew(self) -> None:
        if self._finished:
            self.finish()  # it was not heard

    def lost(self, error: LogError, *, asked_again: bool) -> HostError | None:
        if isinstance(error, EngineError) and error.status == _NOT_FOUND:
            return advice.gone(self.machine.name, self.run)
        if asked_again and isinstance(error, LinkError) and error.lasting:
            return self.out_of_reach(error)
        return None

    def out_of_reach(self, error: LogError) -> HostError:
        return HostError(
            f'host "{self.machine.name}" was lost: nothing heard for {self.heard.silent_s:.0f} s '
            f"({error.text})",
            "Its harness goes on by itself if the machine lives; when it can be reached again:  "
            f"python orchestrate.py attach {self.run}",
        )

    def last_words(self) -> Iterator[FromStart]:
        """Everything was read and kept, so the container may go. Raises: HostError."""
        self.done.set()
        yield from self._remove()
        self.close()
        error = self._ending()
        if error is not None and not self._stopped:
            raise error

    def _remove(self) -> Iterator[FromStart]:
        """Remove it at once, or when an engine that went away just now is back; what stays is
        told."""
        trouble = self._removed()
        start_s, pause_s = time.monotonic(), self.pause_s
        while trouble is not None:
            late = time.monotonic() - start_s > min(_TIDY_S, self.patience_s)
            if late or is_final(trouble) or self.closing.is_set():
                yield FromStart(self._left(trouble))
                return
            yield FromStart(f"its container could not be removed ({trouble.text}); trying again")
            self.closing.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            trouble = self._removed(again=True)

    def _removed(self, *, again: bool = False) -> EngineError | None:
        """Returns: why the container stays."""
        try:
            if again:
                self.engine.connect()
            self.engine.remove(self.container)
        except EngineError as error:
            return error
        return None

    def _left(self, trouble: EngineError) -> str:
        """Of a harness that fell silent without its last record, somebody may still want to hear:
        `clean` would keep it."""
        is_over = self._finished or self._ending() is not None
        how = "clean" if is_over else "attach"
        return (
            f"its container could not be removed ({trouble.text}); to remove it:  "
            f"python orchestrate.py {how} {self.run}"
        )

    def _ending(self) -> HostError | None:
        return advice.ended(
            self.machine.name, self._state, run=self.run, memory_bytes=self.memory_bytes
        )

    def recover(self, seq: int, /) -> bool:
        return self._keepsake.want(seq)

    def stop(self) -> bool:
        """Returns: whether it could be told to, or has ended."""
        if self.done.is_set():
            self.closing.set()
            return True
        self._stopped = True
        try:
            self.engine.stop(self.container, STOP_GRACE_S)
        except EngineError:
            self.closing.set()
            return False
        return True

    def finish(self) -> None:
        """The harness lingers for the sake of an engine that is down; now it need not any more."""
        self._finished = self._stopped = True
        with contextlib.suppress(EngineError):
            self.engine.stop(self.container, STOP_GRACE_S)

    def kill(self) -> bool:
        self.closing.set()
        if self.done.is_set():
            return False
        try:
            self.engine.remove(self.container)
        except EngineError:
            return False
        finally:
            self.close()
        return True

    def close(self) -> None:
        self.done.set()
        self.log.end()
        self.engine.close()

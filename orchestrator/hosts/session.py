"""Following a harness in a container: the container's log is the durable copy of its records.

The end of a stream proves nothing: a dead link and a dead engine end it as well. So the container
is inspected, and unless it has ended, the log is followed again from its first byte; who reads the
records drops those he has. Silence counts as a dead link, because a harness sends heartbeats. What
an engine may have lost is in the copy that the harness keeps itself, which is read first.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.errors import HostError
from orchestrator.hosts import FromStart, advice
from orchestrator.hosts.blanking import Blanking
from orchestrator.hosts.engine import ContainerState, Engine, EngineError, LinkError
from orchestrator.hosts.keepsake import Keepsake
from orchestrator.hosts.persistence import is_final
from orchestrator.inventory.inventory import Machine

# Six heartbeats of the harness.
SILENCE_S: Final = 30.0
STOP_GRACE_S: Final = 15
# Of what a host prints beside its records so much is kept: it must not fill the disk of the desk.
MAX_LOG_BYTES: Final = 64 << 20
_LOG_CUT: Final = b"\n(what this host printed from here on was not kept)\n"
FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 15.0
# An engine that restarts is back by then; nothing but tidiness hangs on it.
_TIDY_S: Final = 30.0
_NOT_FOUND: Final = 404


@dataclass(slots=True)
class ContainerSession:
    """A harness at work in a container of one host.

    `run` is how a command names its run; `patience_s` is how long a host may stay out of reach
    before it counts as lost; `secret` is blanked in the log; one that was `taken_up` began before
    this desk followed it.
    """

    machine: Machine
    engine: Engine
    container: str
    run: str
    log: Path
    patience_s: float
    memory_bytes: int = 0
    silence_s: float = SILENCE_S
    secret: bytes = b""
    pause_s: float = FIRST_PAUSE_S
    taken_up: bool = False
    _closing: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)
    _stopped: bool = False
    _finished: bool = False
    _blanking: Blanking = field(init=False)
    _keepsake: Keepsake = field(init=False)
    _errors_written: int = 0
    _heard_bytes: int = 0
    _heard_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._blanking = Blanking(self.secret)
        self._keepsake = Keepsake(self.engine, self.container, self.silence_s, due=self.taken_up)

    def chunks(self) -> Iterator[bytes | FromStart]:
        """Raises: HostError."""
        while True:
            try:
                yield from self._stream()
                state = self.engine.state(self.container)
            except EngineError as error:
                if self._closing.is_set():
                    return
                if error.status == _NOT_FOUND:
                    raise self._lost(advice.gone(self.machine.name, self.run)) from error
                remark = f"the connection broke ({error.text}); connecting again"
                yield FromStart(remark, away=True)
                yield FromStart(f"following again after {self._connect_again(error):.0f} s")
                if self._finished:
                    self.finish()  # it was not heard
                continue
            if state.ended:
                break
            if self._closing.is_set():
                return
            # An engine that shuts down ends its streams politely, and the harness lives on.
            yield FromStart("the engine ended the stream, but the harness goes on; following again")
            self._closing.wait(self.pause_s)
        self._done.set()
        yield from self._remove(state)
        self._conclude(state)

    def _stream(self) -> Iterator[bytes | FromStart]:
        """What the harness kept, where that is due, then the log; both again, when a record is
        missed."""
        while True:
            yield from self._keepsake.chunks()
            if not self._keepsake.wanted:
                self._keepsake.due = True
                yield from self._replay()
            if not self._keepsake.wanted:
                return
            self._keepsake.wanted = False
            yield FromStart("a record did not come; asking the harness for it")

    def _replay(self) -> Iterator[bytes]:
        """The log from its first byte until a record is missed; what is not records goes to the
        log file, once."""
        errors, heard = 0, 0
        for stream, chunk in self.engine.logs(self.container, self.silence_s):
            heard += len(chunk)
            if heard > self._heard_bytes:
                self._heard_bytes, self._heard_s = heard, time.monotonic()
            if stream == "stdout":
                yield chunk
                if self._keepsake.wanted:
                    return
                continue
            errors += len(chunk)
            news = errors - self._errors_written
            if news > 0:
                self._write_errors(chunk[-news:])

    def _write_errors(self, text: bytes) -> None:
        """What a library printed must not end a run for which there is no room."""
        room = MAX_LOG_BYTES - self._errors_written
        self._errors_written += len(text)
        if room <= 0:
            return
        if len(text) > room:
            text = text[:room] + _LOG_CUT
        self._log_text(self._blanking.blanked(text))

    def _log_text(self, text: bytes) -> None:
        if text:
            with contextlib.suppress(OSError), self.log.open("ab") as file:
                file.write(text)

    def _connect_again(self, error: EngineError) -> float:
        """Returns: seconds it took. Raises: HostError: the host stayed out of reach."""
        start_s, pause_s = time.monotonic(), self.pause_s
        while True:
            if self._closing.wait(pause_s):
                return time.monotonic() - start_s
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                self.engine.connect()
                self.engine.state(self.container)
            except EngineError as trouble:
                error = trouble
                if error.status == _NOT_FOUND:
                    raise self._lost(advice.gone(self.machine.name, self.run)) from error
                if isinstance(error, LinkError) and error.lasting:
                    raise self._lost(self._out_of_reach(error)) from error
                if time.monotonic() - self._heard_s > self.patience_s:
                    raise self._lost(self._out_of_reach(error)) from error
                continue
            return time.monotonic() - start_s

    def _out_of_reach(self, error: EngineError) -> HostError:
        away_s = time.monotonic() - self._heard_s
        return HostError(
            f'host "{self.machine.name}" was lost: nothing heard for {away_s:.0f} s ({error.text})',
            "Its harness goes on by itself if the machine lives; when it can be reached again:  "
            f"python orchestrate.py attach {self.run}",
        )

    def _lost(self, error: HostError) -> HostError:
        self._close()
        return error

    def _remove(self, state: ContainerState) -> Iterator[FromStart]:
        """Everything was read and kept, so the container may go, at once or when an engine that
        went away just now is back; what stays is told."""
        trouble = self._removed()
        start_s, pause_s = time.monotonic(), self.pause_s
        while trouble is not None:
            late = time.monotonic() - start_s > min(_TIDY_S, self.patience_s)
            if late or is_final(trouble) or self._closing.is_set():
                yield FromStart(self._left(trouble, state))
                return
            yield FromStart(f"its container could not be removed ({trouble.text}); trying again")
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
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

    def _left(self, trouble: EngineError, state: ContainerState) -> str:
        """Of a harness that fell silent without its last record, somebody may still want to hear:
        `clean` would keep it."""
        is_over = self._finished or self._ending(state) is not None
        how = "clean" if is_over else "attach"
        return (
            f"its container could not be removed ({trouble.text}); to remove it:  "
            f"python orchestrate.py {how} {self.run}"
        )

    def _ending(self, state: ContainerState) -> HostError | None:
        return advice.ended(self.machine.name, state, run=self.run, memory_bytes=self.memory_bytes)

    def _conclude(self, state: ContainerState) -> None:
        """Raises: HostError."""
        self._close()
        error = self._ending(state)
        if error is not None and not self._stopped:
            raise error

    def recover(self, seq: int, /) -> bool:
        return self._keepsake.want(seq)

    def stop(self) -> bool:
        """Returns: whether it could be told to, or has ended."""
        if self._done.is_set():
            self._closing.set()
            return True
        self._stopped = True
        try:
            self.engine.stop(self.container, STOP_GRACE_S)
        except EngineError:
            self._closing.set()
            return False
        return True

    def finish(self) -> None:
        """The harness lingers for the sake of an engine that is down; now it need not any more."""
        self._finished = self._stopped = True
        with contextlib.suppress(EngineError):
            self.engine.stop(self.container, STOP_GRACE_S)

    def detach(self) -> bool:
        running = not self._done.is_set()
        self._closing.set()
        self._close()
        return running

    def kill(self) -> bool:
        self._closing.set()
        if self._done.is_set():
            return False
        try:
            self.engine.remove(self.container)
        except EngineError:
            return False
        finally:
            self._close()
        return True

    def _close(self) -> None:
        self._done.set()
        self._log_text(self._blanking.rest())
        self.engine.close()

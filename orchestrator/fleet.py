"""All hosts at once: each streams in a thread of its own, its records on disk as they come.

One host's loss never touches another. The main thread only waits, so that Ctrl-C finds it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from harness.plan import Plan
from harness.records import Record
from harness.vocabulary import NewerSchemaError
from orchestrator.errors import DeskError
from orchestrator.hosts import Host, Session
from orchestrator.rundir import AttemptFile, RunFolder
from orchestrator.stream import Read, Reader


class Observer(Protocol):
    """Somebody who watches a run; called from the main thread only."""

    def saw(self, host: str, record: Record) -> None: ...

    def noted(self, host: str, remark: str) -> None: ...

    def tick(self) -> None: ...


class InterruptedRunError(DeskError):
    """The user stopped the run; everything measured so far is on disk."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class _Ended:
    """The last message of a host's thread; `error` is why it could not go on."""

    error: DeskError | None = None


@dataclass(frozen=True, slots=True)
class _Note:
    remark: str


@dataclass(slots=True)
class _Work:
    """One host at work."""

    host: Host
    session: Session
    attempt: AttemptFile
    messages: queue.Queue[tuple[str, Record | _Note | _Ended]]
    thread: threading.Thread = field(init=False)

    def start(self) -> None:
        self.thread = threading.Thread(target=self._follow, name=self.host.name, daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        error: DeskError | None = None
        try:
            self._take_all()
        except DeskError as trouble:
            error = trouble
        except NewerSchemaError as trouble:
            error = DeskError(f'host "{self.host.name}" sends records {trouble}')
        finally:
            self._say(_Ended(error))

    def _take_all(self) -> None:
        reader = Reader()
        for chunk in self.session.chunks():
            for item in reader.feed(chunk):
                if isinstance(item, Read):
                    self.attempt.append(item.line)
                    self._say(item.record)
                else:
                    self._say(_Note(f"record line {item.number} skipped: {item.why}"))

    def _say(self, message: Record | _Note | _Ended) -> None:
        self.messages.put((self.host.name, message))


def run(
    hosts: Mapping[Host, Plan], folder: RunFolder, observer: Observer, tick_s: float = 0.2
) -> None:
    """Measure on every host, each with its own plan.

    Raises: InterruptedRunError after Ctrl-C, with every session stopped; DeskError: a host's
    records could not be kept, raised once the other hosts have finished.
    """
    messages: queue.Queue[tuple[str, Record | _Note | _Ended]] = queue.Queue()
    with ExitStack() as stack:
        works = []
        for host, plan in hosts.items():
            attempt = stack.enter_context(folder.attempt(host.name))
            session = host.start(plan, attempt.log)
            stack.callback(session.kill)
            works.append(_Work(host, session, attempt, messages))
        for work in works:
            work.start()
        try:
            _watch(len(works), messages, observer, tick_s)
        except KeyboardInterrupt:
            _stop(works, folder)
            raise InterruptedRunError("interrupted") from None


def _watch(
    running: int,
    messages: queue.Queue[tuple[str, Record | _Note | _Ended]],
    observer: Observer,
    tick_s: float,
) -> None:
    trouble: DeskError | None = None
    while running:
        try:
            host, message = messages.get(timeout=tick_s)
        except queue.Empty:
            observer.tick()
            continue
        match message:
            case _Ended(error):
                running -= 1
                trouble = trouble or error
            case _Note(remark):
                observer.noted(host, remark)
            case record:
                observer.saw(host, record)
    if trouble is not None:
        raise trouble


def _stop(works: list[_Work], folder: RunFolder) -> None:
    """Stop every session, let each thread store what was still under way, and remember why."""
    unfinished = [work.attempt.name for work in works if work.thread.is_alive()]
    folder.mark_interrupted(unfinished)
    for work in works:
        work.session.stop()
    for work in works:
        work.thread.join(timeout=5)

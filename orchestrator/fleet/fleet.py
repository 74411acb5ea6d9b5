"""All hosts at once: each is prepared and followed in a thread of its own, its records on disk as
they come.

One host's loss never touches another: it is remembered in the run folder and told to the observer.
The main thread only waits, so that Ctrl-C finds it.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from typing import Final, Protocol

from harness.contract.plan import Plan
from harness.contract.records import Record
from orchestrator.errors import DeskError, HangUp, HostError, StillThereError, StorageError
from orchestrator.fleet.messages import Away, Doing, Ended, Inbox, Note
from orchestrator.fleet.pool_work import Worker, lanes
from orchestrator.fleet.work import Opening, Twins, Work
from orchestrator.hosts import Host, Say, Session
from orchestrator.hosts.pooled import PooledHost
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.outcomes import Trouble
from orchestrator.records.rundir import RunFolder

# How long the threads get to store what a host still sends once it was asked to stop.
STOP_S: Final = 25.0
KILL_S: Final = 5.0


class Observer(Protocol):
    """Somebody who watches a run; called from the main thread only."""

    def saw(self, host: str, record: Record) -> None: ...

    def doing(self, host: str, what: str) -> None:
        """What precedes the first record: connecting, building the image."""
        ...

    def noted(self, host: str, remark: str) -> None: ...

    def away(self, host: str) -> None:
        """The host is out of reach, until it is heard of again."""
        ...

    def ended(self, host: str, trouble: str) -> None:
        """The host has finished; `trouble` says why it could not, else it is empty."""
        ...

    def skipped(self, host: str, why: str) -> None:
        """Nothing was started on the host, and nothing is lost there."""
        ...

    def stopping(self, limit_s: float, again_s: float) -> None:
        """The user stopped the run: its hosts are given so long to end, and so long from when the
        user asks again."""
        ...

    def tick(self) -> None: ...


class InterruptedRunError(DeskError):
    """The user stopped the run; everything measured so far is on disk. `running` names the hosts
    on which measuring goes on; `detached`: on purpose."""

    exit_code = 130

    def __init__(self, running: tuple[str, ...] = (), *, detached: bool = False) -> None:
        super().__init__("interrupted")
        self.running = running
        self.detached = detached


def run(
    hosts: Mapping[Host, Plan],
    folder: RunFolder,
    observer: Observer,
    *,
    detach: bool = False,
    tick_s: float = 0.2,
) -> None:
    """Measure on every host, each with its own plan.

    Args:
        detach: on Ctrl-C leave running what can run without this desk, instead of stopping it.

    Raises: InterruptedRunError after Ctrl-C; StorageError: a host's records could not be kept,
    raised once the other hosts have finished. A host that cannot be used is no error of the run.
    """
    with ExitStack() as stack:
        works = _Works(folder, observer, detach=detach, tick_s=tick_s)
        for host, plan in hosts.items():
            if isinstance(host, PooledHost):
                stack.callback(host.close)
                works.add_pool(host, plan)
                continue
            attempt = stack.enter_context(folder.attempt(host.name, plan))
            works.add(host.name, _opening(host, plan, attempt), attempt, plan)
        works.run()


def follow(
    sessions: Iterable[tuple[str, Opening, AttemptFile]],
    pools: Mapping[PooledHost, Plan],
    folder: RunFolder,
    plan: Plan,
    observer: Observer,
    *,
    detach: bool = False,
    tick_s: float = 0.2,
) -> None:
    """Take up harnesses that are at work already, and pools, whose queue was here. Raises: as
    `run`."""
    with ExitStack() as stack:
        works = _Works(folder, observer, detach=detach, tick_s=tick_s)
        for host, opening, attempt in sessions:
            works.add(host, opening, attempt, plan, taken_up=True)
        for pool, left in pools.items():
            stack.callback(pool.close)
            works.add_pool(pool, left)
        works.run()


def _opening(host: Host, plan: Plan, attempt: AttemptFile) -> Opening:
    def start(say: Say) -> Session:
        return host.start(plan, attempt, say)

    return start


class _Works:
    """All that is under way, and the main thread's waiting for it."""

    def __init__(
        self, folder: RunFolder, observer: Observer, *, detach: bool, tick_s: float
    ) -> None:
        self._folder, self._observer = folder, observer
        self._detach, self._tick_s = detach, tick_s
        self._messages: Inbox[Worker] = Inbox()
        self._twins = Twins()
        self._all: list[Worker] = []
        self._troubles: dict[str, str] = {}
        self._skipped: dict[str, str] = {}
        self._lost: StorageError | None = None

    def add(
        self,
        host: str,
        opening: Opening,
        attempt: AttemptFile,
        plan: Plan,
        *,
        taken_up: bool = False,
    ) -> None:
        work = Work(host, opening, attempt, plan, self._messages, self._twins, taken_up)
        self._all.append(work)

    def add_pool(self, host: PooledHost, plan: Plan) -> None:
        self._all += lanes(host, plan, self._folder, self._messages)

    def run(self) -> None:
        for work in self._all:
            work.start()
        left: list[Worker] | None = None
        detach = self._detach
        try:
            with closing(self._messages):
                self._watch()
        except KeyboardInterrupt as interrupt:
            detach |= isinstance(interrupt, HangUp)
            left = self._stop(detach=detach)
        finally:
            # Once more, by who is in a hurry, must not keep what goes on running from being told.
            with contextlib.suppress(KeyboardInterrupt):
                self._in_parallel(lambda work: work.kill(), KILL_S)
        if left is not None:
            raise InterruptedRunError(self._running(left), detached=detach)
        if self._lost is not None:
            raise self._lost

    def _watch(self) -> None:
        running = list(self._all)
        while running:
            try:
                work, message = self._messages.get(self._tick_s)
            except queue.Empty:
                self._observer.tick()
                continue
            if isinstance(message, Ended):
                running.remove(work)
                self._end(work, message.error, last=all(of.host != work.host for of in running))
            else:
                self._pass_on(work.host, message)

    def _pass_on(self, host: str, message: Record | Note | Doing | Away) -> None:
        match message:
            case Away():
                self._observer.away(host)
            case Note(remark):
                self._observer.noted(host, remark)
            case Doing(what):
                self._observer.doing(host, what)
            case record:
                self._observer.saw(host, record)

    def _end(self, work: Worker, error: DeskError | None, *, last: bool) -> None:
        if error is not None:
            self._remember(work, error)
        if not last:
            return
        trouble, skipped = self._troubles.get(work.host, ""), self._skipped.get(work.host)
        if skipped and not trouble:
            self._observer.skipped(work.host, skipped)
        else:
            self._observer.ended(work.host, trouble)

    def _remember(self, work: Worker, error: DeskError) -> None:
        """Keep why a host could not go on, for this user and for whoever reads the run later."""
        sentence = error.in_one_line
        if isinstance(error, StillThereError) and work.attempt is not None:
            self._skipped.setdefault(work.host, sentence)
            self._folder.withdraw(work.attempt.name, error.attempt)
            return
        self._troubles.setdefault(work.host, sentence)
        if isinstance(error, StorageError):
            self._lost = self._lost or error
            return
        reason = error.reason if isinstance(error, HostError) else "host_unavailable"
        trouble = Trouble(sentence, reason, "" if work.began else work.preparing)
        if work.attempt is not None:
            self._folder.mark_trouble(work.attempt.name, trouble)

    def _stop(self, *, detach: bool) -> list[Worker]:
        """Stop or leave every harness, let each thread store what still comes, remember why.

        A second Ctrl-C ends the waiting, and what was to be left is left all the same.
        Returns: what was under way.
        """
        left = [work for work in self._all if work.thread.is_alive()]
        if detach:
            for work in left:
                work.leave()
        names = [work.attempt.name for work in left if work.attempt is not None]
        self._folder.mark_interrupted(names)
        try:
            if detach:
                for work in left:
                    work.detach()
                return left
            self._observer.stopping(STOP_S + KILL_S, KILL_S)
            self._in_parallel(lambda work: work.stop(), STOP_S)
            deadline_s = time.monotonic() + KILL_S
            for work in left:
                work.thread.join(timeout=max(0.0, deadline_s - time.monotonic()))
        except KeyboardInterrupt:
            pass
        return left

    def _running(self, left: Iterable[Worker]) -> tuple[str, ...]:
        """The hosts that go on: left on purpose, or because they could not be told to end."""
        return tuple(dict.fromkeys(work.host for work in left if work.goes_on))

    def _in_parallel(self, do: Callable[[Worker], None], limit_s: float) -> None:
        """One slow or dead host must not hold up the others."""
        threads = [
            threading.Thread(target=do, args=(work,), daemon=True)
            for work in self._all
            if work.session is not None or work.thread.is_alive()
        ]
        for thread in threads:
            thread.start()
        deadline_s = time.monotonic() + limit_s
        for thread in threads:
            thread.join(timeout=max(0.0, deadline_s - time.monotonic()))

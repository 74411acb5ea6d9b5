"""A pool at work: a thread for each of its workers, which takes one case after the other.

To the fleet a worker is what a host is; to its cases it is who prepares, follows and judges them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from harness.contract.plan import Plan
from harness.contract.records import Failure, Finished, Started
from orchestrator.errors import DeskError, HostError, StorageError
from orchestrator.fleet.messages import Away, Doing, Ended, Inbox, Message, Note
from orchestrator.fleet.shift import JobWatch, Shift, Task, only, shift_for
from orchestrator.fleet.work import Opening, Twins, Work
from orchestrator.hosts import Say, Session, cluster_advice
from orchestrator.hosts.pooled import PooledHost
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.journal import End, JobNote
from orchestrator.records.outcomes import Trouble
from orchestrator.records.rundir import RunFolder

_GATE_S: Final = 0.2


@dataclass(slots=True)
class _CaseInbox:
    """Between one case's work and the observers: what it says goes on, its end stays here."""

    lane: Lane
    error: DeskError | None = None
    finished: bool = False
    unfit: str = ""
    silent: bool = True
    control: bool = False

    def put(self, _work: Work, message: Message, /) -> None:
        self.silent = self.silent and isinstance(message, Ended | Note | Doing | Away)
        match message:
            case Ended(error):
                self.error = error
            case Started() if not self.control:
                self.lane.introduce(message)
            case Doing() if not self.lane.shift.worth_telling():
                pass
            case Finished():
                self.finished = True
            case Failure(case_id=None):
                self.unfit = message.message
            case _ if self.control and not isinstance(message, Note | Doing):
                pass  # its case is told of by who measures it for the run
            case _:
                self.lane.say(message)


@dataclass(slots=True, eq=False)
class Lane:
    """One worker of a pool, as the fleet sees it; at work like a host of its own, case by case."""

    shift: Shift
    messages: Inbox[Worker]
    first: bool
    current: Work | None = None
    attempt: AttemptFile | None = None
    leaving: bool = False
    introduced: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.shift.joins(self)

    @property
    def host(self) -> str:
        return self.shift.host.name

    @property
    def session(self) -> Session | None:
        return self.current.session if self.current is not None else None

    @property
    def preparing(self) -> str:
        return self.current.preparing if self.current is not None else "starting"

    @property
    def began(self) -> bool:
        return self.current is not None and self.current.began

    @property
    def goes_on(self) -> bool:
        return self.current is not None and self.current.goes_on

    def say(self, message: Message) -> None:
        self.messages.put(self, message)

    def introduce(self, started: Started) -> None:
        """A worker is one GPU to whoever watches, however many jobs it has one after the other."""
        if not self.introduced:
            self.introduced = True
            self.say(self.shift.introduces(started))

    def start(self) -> None:
        name = f"{self.host}, a worker"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        error: DeskError | None = None
        try:
            error = self._work()
        except DeskError as trouble:
            error = trouble
        except Exception as defect:  # noqa: BLE001  a defect of ours must not pass for a success
            what = f"{type(defect).__name__}: {defect}"
            error = HostError(f'host "{self.host}" met a defect of this program: {what}')
        finally:
            if self.first:
                self.shift.failed = self.shift.failed or not self.shift.opened.is_set()
                self.shift.opened.set()
            self.shift.leaves(self)
            self.say(Ended(error))

    def _work(self) -> DeskError | None:
        """Take cases until there are none. Returns: why this worker can take no more."""
        while not self.first and not self.shift.opened.wait(_GATE_S):
            if self.stopping.is_set():
                return None
        error = None
        while error is None and (task := self._next()) is not None:
            try:
                error = self._measure(task)
            finally:
                self.shift.free()
        return error

    def _next(self) -> Task | None:
        """The next case. One that another worker has may yet come back, from a node that turns out
        to be unable to measure it, so nobody leaves before."""
        while not self.shift.failed and not self.stopping.is_set():
            busy = self.shift.is_busy
            if (task := self.shift.next()) is not None or not busy:
                return task
            self.stopping.wait(_GATE_S)
        return None

    def _measure(self, task: Task) -> DeskError | None:
        control = task.turn.control
        inbox, watches = _CaseInbox(self, control=bool(control)), list[JobWatch]()
        if control == "alone":
            self.say(Doing(f"measuring {task.turn.attempt.case_id} once more, alone"))
        plan = only(self.shift.plan, task.turn.attempt)
        with self.shift.file(task) as (attempt, known):
            self.attempt = attempt
            opening = self._opening(task, plan, attempt, watches)
            taken_up = task.note is not None
            work = Work(self.host, opening, attempt, plan, inbox, Twins(), taken_up)
            for record in known:
                inbox.put(work, record)
            self.current = work
            if self.stopping.is_set():  # asked while no case was under way
                work.stopping.set()
            work.run()
            return self._conclude(task, inbox, watches[0] if watches else None)

    def _opening(
        self, task: Task, plan: Plan, attempt: AttemptFile, watches: list[JobWatch]
    ) -> Opening:
        shift = self.shift

        def start(say: Say) -> Session:
            shift.host.ready(shift.plan, say)
            shift.opened.set()
            if task.note is not None:
                watches.append(JobWatch(shift, task.note))
                return shift.host.take_up(task.note.job, attempt, say, watches[0])
            watches.append(JobWatch(shift, shift.begin(task, attempt)))
            return shift.host.submit(plan, attempt, say, watches[0])

        return start

    def _conclude(self, task: Task, inbox: _CaseInbox, watch: JobWatch | None) -> DeskError | None:
        """Keep how a job ended. Returns: why this worker can take no more cases."""
        error = inbox.error
        if watch is None:  # it never came to a job
            return self._give_up(task, error)
        note = watch.note
        if inbox.finished:
            self._close(task, note, "whole")
            return None
        if isinstance(error, StorageError) or (self.leaving and self.goes_on):
            return self._give_up(task, error)  # whoever attaches finds the job
        if self.stopping.is_set() or error is None or isinstance(error, cluster_advice.PoolError):
            self.shift.keep(replace(note, end="stopped", why=str(error or "the run was stopped")))
            self.shift.done(task)
            return None if task.turn.control == "alone" else error  # all else is measured by then
        if _goes_on(error, inbox):
            return self._give_up(task, error)  # the cluster is out of reach, and its job goes on
        if task.turn.control:  # not worth another try
            self._close(task, note, "broken", inbox.unfit or error.sentence)
            return None
        return self._without_end(task, inbox, watch, error)

    def _without_end(
        self, task: Task, inbox: _CaseInbox, watch: JobWatch, error: DeskError
    ) -> DeskError | None:
        """A case whose harness did not come to its end."""
        note = watch.note
        if isinstance(error, cluster_advice.NodeLostError):
            self._repeat(task, note, error.sentence)
            return None
        if task.note is not None and isinstance(error, cluster_advice.JobStoppedError):
            # By a desk in too much of a hurry to note it, or by clean: no failure of the case.
            self.shift.keep(replace(note, end="stopped", why=error.sentence))
            self.shift.give_back(task)
            return None
        if inbox.unfit or (inbox.silent and isinstance(error, cluster_advice.HarnessEndedError)):
            return self._unfit(task, watch, inbox.unfit or error.sentence)
        self._broken(task, note, error)
        return None

    def _unfit(self, task: Task, watch: JobWatch, found: str) -> DeskError | None:
        """A node where no case can be measured; one whose python lacks what the harness needs ends
        each at once, and would be given all that are left."""
        note = watch.note
        why = f"node {note.node} cannot measure: {found}"
        if self.shift.host.avoid(watch.node_id):
            self._repeat(task, note, why)
            return None
        if self.shift.leaves(self):
            self._repeat(task, note, why)
        else:  # nobody is left who would measure it
            self._close(task, note, "lost", why)
        return HostError(
            f'host "{self.host}": {why}', "logs/ of the run says more; look at that node"
        )

    def _give_up(self, task: Task, error: DeskError | None) -> DeskError | None:
        """This worker ends, and nobody may think that its case is still being measured."""
        self.shift.done(task)
        return error

    def _close(self, task: Task, note: JobNote, end: End, why: str = "") -> None:
        self.shift.keep(replace(note, end=end, why=why))
        self.shift.done(task)

    def _broken(self, task: Task, note: JobNote, error: DeskError) -> None:
        reason = error.reason if isinstance(error, HostError) else "crash"
        self.shift.folder.mark_trouble(note.attempt, Trouble(error.sentence, reason))
        self._close(task, note, "broken", error.sentence)

    def _repeat(self, task: Task, note: JobNote, why: str) -> None:
        again = self.shift.lost(task)
        self.shift.keep(replace(note, end="lost", why=why, again=again))
        what = "to be measured again" if again else f"given up after {note.number} tries"
        remark = f"{note.case_id} is {what}: {why}"
        self.say(Note(remark))

    def stop(self) -> None:
        self.stopping.set()
        if self.current is not None:
            self.current.stop()

    def leave(self) -> None:
        self.leaving = True
        if self.current is not None:
            self.current.leave()

    def detach(self) -> None:
        self.stopping.set()
        if self.current is not None:
            self.current.detach()

    def kill(self) -> None:
        self.stopping.set()
        if self.current is not None and not self.leaving:
            self.current.kill()


Worker: TypeAlias = Work | Lane
"""Whatever has a thread of its own in a run."""


def lanes(
    host: PooledHost,
    plan: Plan,
    folder: RunFolder,
    messages: Inbox[Worker],
    clock: Callable[[], float] = time.monotonic,
) -> list[Lane]:
    """The workers of a pool for the cases that are left of a plan."""
    shift = shift_for(host, plan, folder, clock)
    begun = len(shift.begun)
    count = min(max(host.pool.workers, begun), begun + shift.dispatch.left)
    return [Lane(shift, messages, first=index == 0) for index in range(count)]


def _goes_on(error: DeskError, inbox: _CaseInbox) -> bool:
    """Whether the job may be at work after this error."""
    if (
        inbox.unfit
        or isinstance(error, cluster_advice.NodeLostError)
        or not isinstance(error, HostError)
    ):
        return False
    return error.reason == "host_unavailable"

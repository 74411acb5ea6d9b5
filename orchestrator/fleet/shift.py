"""What the workers of a pool share: the cases to do, the run folder, and who waits for a node.

Every job has a record file of its own, so what two attempts say is never joined. Before a job is
started its id is on disk: whoever comes after a desk that died finds it again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from harness.contract.plan import Case, CaseAttempt, Plan
from harness.contract.records import Record, Started
from orchestrator import estimate
from orchestrator.fleet import controls
from orchestrator.fleet.dispatch import Dispatch, Turn
from orchestrator.hosts.jobs import JobState
from orchestrator.hosts.pooled import TELL_S, PooledHost
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.journal import JobNote
from orchestrator.records.rundir import RunFolder


@dataclass(frozen=True, slots=True)
class Task:
    """A case for one worker; `note` is that of a job which another desk began."""

    turn: Turn
    note: JobNote | None = None


@dataclass(slots=True)
class Shift:
    """What the workers of a pool share: the cases to do, the run folder, who waits for a node."""

    host: PooledHost
    plan: Plan
    folder: RunFolder
    dispatch: Dispatch
    begun: list[Task]
    opened: threading.Event = field(default_factory=threading.Event)
    failed: bool = False
    _tries: Counter[str] = field(default_factory=Counter)
    _turns: dict[str, Turn] = field(default_factory=dict)
    _next_file: int = 0
    _introduced: bool = False
    _busy: int = 0
    _workers: set[object] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> Task | None:
        """A case for a worker, which says `free` when it is done with it."""
        with self._lock:
            turn = None if self.begun else self.dispatch.take()
            task = self.begun.pop() if self.begun else None if turn is None else Task(turn)
            self._busy += task is not None
            return task

    def free(self) -> None:
        """A worker has done what there was to do about a case."""
        with self._lock:
            self._busy -= 1

    @property
    def is_busy(self) -> bool:
        """Whether some worker has a case, which may yet be for another one to measure."""
        with self._lock:
            return self._busy > 0

    def joins(self, worker: object) -> None:
        self._workers.add(worker)

    def leaves(self, worker: object) -> bool:
        """A worker takes no more cases. Returns: whether others do."""
        with self._lock:
            self._workers.discard(worker)
            return bool(self._workers)

    @contextmanager
    def file(self, task: Task) -> Iterator[tuple[AttemptFile, tuple[Record, ...]]]:
        """The record file of a task, a new one or the one that its job has, and what it holds."""
        with ExitStack() as stack:
            if task.note is not None:
                known = self.folder.known(task.note.attempt)
                attempt = stack.enter_context(
                    self.folder.reopened(task.note.attempt, known, self.plan)
                )
                attempt, records = replace(attempt, job=task.note.job), known.records
            else:
                attempt, records = stack.enter_context(self._new_file()), ()
                attempt = replace(attempt, job=self.host.new_job(attempt))
            with self._lock:
                self._turns[attempt.job] = task.turn
            yield attempt, records

    @contextmanager
    def _new_file(self) -> Iterator[AttemptFile]:
        with ExitStack() as stack:
            with self._lock:
                opened = self.folder.attempt(self.host.name, self.plan, self._next_file)
                attempt = stack.enter_context(opened)
                self._next_file = 1 + int(attempt.name.rsplit(".", 2)[1])
            yield attempt

    def begin(self, task: Task, attempt: AttemptFile) -> JobNote:
        """Keep what is about to be started."""
        case_id, number, control = task.turn.attempt.case_id, task.turn.number, task.turn.control
        if not control:
            with self._lock:
                self._tries[case_id] += 1
                number = self._tries[case_id]
        note = JobNote(attempt.name, attempt.job, case_id, number, control=control)
        self.keep(note)
        return note

    def keep(self, note: JobNote) -> None:
        with self._lock:
            self.folder.note_job(self.host.name, note)

    def introduces(self, started: Started) -> Started:
        """What an observer is told of a harness: the first one of a pool speaks for all cases."""
        with self._lock:
            attempts = () if self._introduced else self.plan.attempts()
            self._introduced = True
        return started.model_copy(update={"case_ids": tuple(each.case_id for each in attempts)})

    def worth_telling(self) -> bool:
        """Whether it matters what a worker waits for: not while others measure."""
        return not self._introduced or self.starved_s() >= TELL_S

    def saw(self, state: JobState) -> None:
        with self._lock:
            if state.status != "PENDING" and state.id in self._turns:
                self.dispatch.runs(self._turns[state.id])

    def starved_s(self) -> float:
        with self._lock:
            return self.dispatch.starved_s()

    def done(self, task: Task) -> None:
        with self._lock:
            self.dispatch.done(task.turn)

    def give_back(self, task: Task) -> None:
        with self._lock:
            self.dispatch.give_back(task.turn)

    def lost(self, task: Task) -> bool:
        with self._lock:
            return self.dispatch.lost(task.turn)


@dataclass(slots=True)
class JobWatch:
    """One job's state, told to the shift; the node is kept as soon as it is known."""

    shift: Shift
    note: JobNote
    node_id: str = ""

    def saw(self, state: JobState) -> None:
        self.node_id = state.node_id or self.node_id
        if state.node and state.node != self.note.node:
            self.note = replace(self.note, node=state.node)
            self.shift.keep(self.note)
        self.shift.saw(state)

    def starved_s(self) -> float:
        return self.shift.starved_s()


def shift_for(host: PooledHost, plan: Plan, folder: RunFolder, clock: Callable[[], float]) -> Shift:
    """What is left of a plan: jobs that another desk began come first."""
    left = {attempt.case_id: attempt for attempt in plan.attempts()}
    notes = list(folder.jobs(host.name).values())
    begun = [*_begun(notes, left), *_begun_controls(notes, plan)]

    def cost(case: Case) -> float:
        return estimate.share_s(plan, case)

    more = controls.turns(plan, list(left.values()), notes, host.pool.controlled, cost)
    waiting = Dispatch(left.values(), cost, host.pool.workers, clock, more)
    for task in begun:
        waiting.resume(task.turn)
    tries = Counter(note.case_id for note in notes if not note.control)
    return Shift(host, plan, folder, waiting, begun, _tries=tries)


def _begun(notes: Iterable[JobNote], left: dict[str, CaseAttempt]) -> list[Task]:
    """Takes them out of what is left."""
    return [
        Task(Turn(left.pop(note.case_id), note.number), note)
        for note in notes
        if not (note.end or note.control) and note.case_id in left
    ]


def _begun_controls(notes: Iterable[JobNote], plan: Plan) -> list[Task]:
    """Their cases may have been measured long since."""
    every = {attempt.case_id: attempt for attempt in plan.every_attempt()}
    return [
        Task(Turn(every[note.case_id], note.number, note.control, copy), note)
        for copy, note in enumerate(notes, start=1)
        if note.control and not note.end and note.case_id in every
    ]


def only(plan: Plan, attempt: CaseAttempt) -> Plan:
    """What one job does of a plan, whose id it keeps. Naming all other cases in `skip` would take
    the square of their number."""
    case = attempt.case
    axes = {
        "models": (case.model,),
        "recipes": (plan.recipes[0] if case.is_a_a else case.recipe,),
        "precisions": (case.precision,),
        "batch_sizes": (case.batch_size,),
        "noise_floor": (case,) if case.is_a_a else (),
        "repetitions": tuple(each for each in plan.repetitions if each.case_id == case.case_id),
    }
    small = plan.model_copy(update=axes)
    others = (each.case_id for each in small.every_attempt() if each != attempt)
    return small.model_copy(update={"skip": tuple(others)})

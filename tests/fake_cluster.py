"""A cluster in memory: its jobs say their records evenly over a while, or are lost on the way."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from time import perf_counter

from harness.contract.plan import Case, Plan
from harness.contract.records import CaseStarted, Failure, Finished
from orchestrator.hosts.jobs import JobRequest, JobsError, JobState, Node, Status
from tests import factories
from tests.fake_host import lines

_UNFIT = lines(Failure(case_id=None, stage=None, reason="load_error", message="no GPU is visible"))
_CASE = "torch-compile-benchmark.case"


@dataclass
class MemoryCluster:
    """Measures the cases of a plan, each in a time between the two of `takes_s`, by chance.

    `losses` says how many nodes are lost with a case before one measures it; `codes` with which
    exit code its harness ends, without an end record; the first `unfit` ones find that their node
    cannot measure at all, each after `unfit_after_s`. `refuses` is raised by every call. With
    several `cards` each job has the next one in turn, of those that it does not avoid; on the
    `broken` one harnesses end without a word; one of those that are `slow` takes that many
    times as long for a call.
    """

    plan: Plan
    takes_s: tuple[float, float] = (0.0, 0.0)
    losses: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    unfit: int = 0
    unfit_after_s: float = 0.0
    refuses: JobsError | None = None
    pending: bool = False
    cards: int = 1
    broken: str = ""
    slow: dict[str, float] = field(default_factory=dict)
    requests: list[JobRequest] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    work_s: float = 0.0
    _cases: dict[str, Case] = field(init=False)
    _began_s: dict[str, float] = field(default_factory=dict)
    _ends: dict[str, JobState] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._cases = {attempt.case_id: attempt.case for attempt in self.plan.attempts()}
        self._of_job: dict[str, Case] = {}
        self._card: dict[str, str] = {}

    def version(self) -> str:
        if self.refuses is not None:
            raise self.refuses
        return "2.60.0"

    def nodes(self) -> tuple[Node, ...]:
        if self.cards == 1:
            return (Node("10.0.0.1", True, "A100", 64),)
        return tuple(Node(card, True, "A100", 1, id=card) for card in self._all_cards())

    def _all_cards(self) -> list[str]:
        return [f"10.0.0.{number}" for number in range(1, self.cards + 1)]

    def keep_package(self, name: str, content: bytes) -> bool:
        return False

    def submit(self, request: JobRequest) -> None:
        with self._lock:
            self.requests.append(request)
            self._began_s[request.id] = perf_counter()
            self._of_job[request.id] = self._cases[request.metadata[_CASE]]
            there = [card for card in self._all_cards() if card not in request.avoid]
            self._card[request.id] = there[len(self._card) % len(there)]

    def state(self, job: str) -> JobState | None:
        with self._lock:
            if job in self.stopped:
                return JobState(job, "STOPPED")
            status: Status = "PENDING" if self.pending else "RUNNING"
            card = self._card.get(job, "")
            running = JobState(job, status, node=card, node_id=card if self.cards > 1 else "")
            return self._ends.get(job, running)

    def tail(self, job: str, silence_s: float) -> Generator[bytes, None, None]:
        if job in self.stopped:
            return
        case = self._of_job[job]
        stream = lines(
            factories.started([case], plan_id=self.plan.plan_id),
            CaseStarted(case_id=case.case_id, stage="build"),
            factories.measurement(case, eager_s=0.01 * self.slow.get(self._card[job], 1.0)),
            Finished(plan_id=self.plan.plan_id, measured=1, failed=0),
        ).splitlines(keepends=True)
        end = self._end(job, case)
        if self._is_unfit():
            threading.Event().wait(self.unfit_after_s)
            end = JobState(job, "FAILED", node=self._card[job], exit_code=1)
            stream = [_UNFIT, b""]
        if end.status != "SUCCEEDED":
            del stream[-1]
        if self._card[job] == self.broken:
            end, stream = JobState(job, "FAILED", node=self.broken, exit_code=1), [b""]
        took_s = random.Random(case.case_id).uniform(*self.takes_s)
        for number, line in enumerate(stream, start=1):
            due_s = self._began_s[job] + took_s * number / len(stream)
            threading.Event().wait(max(0.0, due_s - perf_counter()))
            if number == len(stream):
                with self._lock:
                    self.work_s += took_s
                    self._ends[job] = end
            yield line

    def _is_unfit(self) -> bool:
        with self._lock:
            self.unfit -= 1
            return self.unfit >= 0

    def _end(self, job: str, case: Case) -> JobState:
        node = self._card[job]
        with self._lock:
            if self.losses.get(case.case_id, 0):
                self.losses[case.case_id] -= 1
                return JobState(job, "FAILED", error="JOB_SUPERVISOR_ACTOR_DIED", node=node)
        if code := self.codes.get(case.case_id):
            return JobState(job, "FAILED", node=node, exit_code=code)
        return JobState(job, "SUCCEEDED", node=node, exit_code=0)

    def log(self, job: str) -> bytes:
        raise JobsError("Cannot connect to host", 500)

    def stop(self, job: str) -> None:
        self.stopped.append(job)

    def delete(self, job: str) -> None:
        self._ends.pop(job, None)

    def jobs(self) -> tuple[JobState, ...]:
        return tuple(self._ends.values())

    def close(self) -> None:
        """Nothing to let go."""

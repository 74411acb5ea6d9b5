"""What became of every case on one host: the records of a stream, folded (pure).

A stream may have been cut, replayed or resumed. Whatever happened, every planned case ends up as
exactly one of: measured, failed, or missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from harness.contract.records import (
    CaseStarted,
    Environment,
    Failure,
    Finished,
    Heartbeat,
    Measurement,
    Record,
    Started,
)
from harness.contract.vocabulary import Reason, Stage
from orchestrator.records.journal import JobNote

Ending: TypeAlias = Literal["finished", "interrupted", "lost"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a case of a pool was measured, and at which of its tries."""

    node: str
    gpu_uuid: str
    number: int


@dataclass(frozen=True, slots=True)
class ControlResult:
    """A case of a pool, measured once more; `alone` while nothing else was measured there."""

    measurement: Measurement
    origin: Origin
    alone: bool


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """Everything that one host delivered, over all attempts.

    `refused` says by case why a result could not be accepted. `remarks` are sentences about the
    stream itself, such as a line that could not be read. `origins` says by case where a pool
    measured it, or tried to; `controls` are the cases that it measured once more. `left` has the
    cases that the last attempt at them did not come to: what befell the host, or None where the
    user stopped it.
    """

    host: str
    ending: Ending
    environments: tuple[Environment, ...] = ()
    harness_revision: str | None = None
    picture: str | None = None
    measurements: dict[str, Measurement] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    host_failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    controls: tuple[ControlResult, ...] = ()
    left: dict[str, Failure | None] = field(default_factory=dict)

    @property
    def environment(self) -> Environment | None:
        """The latest one; a resumed run may have several."""
        return self.environments[-1] if self.environments else None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the desk saw happen to a host: a sentence, and the reason for a case under way then.

    `preparing` is what it was doing if it never began to measure ("building the image, step 3/14"),
    and empty if it had begun.
    """

    message: str
    reason: Reason = "host_unavailable"
    preparing: str = ""


@dataclass(slots=True)
class _Fold:
    """The outcome so far, and what only the attempt under way tells."""

    found: HostOutcome
    open_case: tuple[str, Stage] | None = None
    promised: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    fault: Failure | None = None

    @property
    def told(self) -> AbstractSet[str]:
        """The cases that have a result, be it a failure."""
        return self.found.measurements.keys() | self.found.failures.keys()

    def ends(self, ending: Ending) -> None:
        self.found = replace(self.found, ending=ending)

    def remark(self, *sentences: str) -> None:
        self.found = replace(self.found, remarks=(*self.found.remarks, *sentences))

    def begin_attempt(self) -> None:
        """Nothing was asked of this attempt yet, and nothing befell it."""
        self.asked, self.fault = set(), None

    def take(self, record: Record) -> None:
        match record:
            case Started():
                self._take_started(record)
            case CaseStarted():
                self.open_case = (record.case_id, record.stage)
            case Measurement():
                self._take_measurement(record)
            case Failure():
                self._take_failure(record)
            case Finished():
                self.ends("finished")
            case Heartbeat():
                pass

    def _take_started(self, record: Started) -> None:
        known = self.found.environments
        self.promised |= set(record.case_ids)
        self.asked |= set(record.case_ids)
        self.found = replace(
            self.found,
            environments=known if record.environment in known else (*known, record.environment),
            harness_revision=record.harness_revision,
            picture=record.picture,
            ending="lost",
        )

    def _take_measurement(self, record: Measurement) -> None:
        self.open_case = None
        if not self.found.environments:
            self.found.refused[record.case_id] = "nothing says what it was measured on"
            return
        self.found.measurements[record.case_id] = record
        self.found.failures.pop(record.case_id, None)
        self.found.refused.pop(record.case_id, None)

    def _take_failure(self, record: Failure) -> None:
        if record.case_id is None:
            self._take_fault(record)
        elif record.case_id not in self.found.measurements:
            self.found.failures[record.case_id] = record
        self.open_case = None

    def _take_fault(self, fault: Failure) -> None:
        self.fault = fault
        self.found = replace(self.found, host_failures=(*self.found.host_failures, fault))

    def conclude(self) -> HostOutcome:
        """What only all attempts together tell."""
        untold = self.promised - self.told - self.found.refused.keys()
        if self.found.ending == "finished" and untold:
            self.ends("lost")  # one GPU of several finished, another did not
        gpus = {one.device.uuid for one in self.found.environments if one.device.uuid}
        if len(gpus) > 1:
            self.remark(
                f"its cases were measured on {len(gpus)} GPUs of this kind, each case on one"
            )
        return self.found

    def take_job(self, attempt: Attempt, job: JobNote) -> bool:
        """Whether a job's records may be used. Without the harness's end record they are not, as
        another attempt may be at the same case: only whole attempts are, and what broke off for a
        reason of its own is told as a failure."""
        if job.control:
            self._take_control(attempt, job)
            return False
        self.promised.add(job.case_id)
        whole = any(isinstance(record, Finished) for record in attempt.records)
        if whole or job.case_id not in self.found.measurements:
            self.found.origins[job.case_id] = _origin(attempt, job)
        if whole or job.end == "broken":
            return True
        if job.end == "lost":
            what = "repeated" if job.again else "given up"
            self.remark(f"{job.case_id} was {what} after try {job.number}: {job.why}")
        if job.end == "lost" and not job.again and job.case_id not in self.found.measurements:
            self.found.failures[job.case_id] = Failure(
                case_id=job.case_id, stage=None, reason="host_unavailable", message=job.why
            )
        by_user = attempt.interrupted or (job.end == "stopped" and attempt.trouble is None)
        self.ends("interrupted" if by_user else "lost")
        return False

    def _take_control(self, attempt: Attempt, job: JobNote) -> None:
        """No case is measured or failed by it: only a whole one says something."""
        if not any(isinstance(record, Finished) for record in attempt.records):
            return
        for record in attempt.records:
            known, controls = self.found.environments, self.found.controls
            if isinstance(record, Started) and record.environment not in known:
                first = (record.environment, *known)  # the latest is that of a case
                self.found = replace(self.found, environments=first)
            if isinstance(record, Measurement):
                result = ControlResult(record, _origin(attempt, job), job.control == "alone")
                self.found = replace(self.found, controls=(*controls, result))

    def close_attempt(self, attempt: Attempt) -> None:
        """A case still open when the stream ended crashed, unless the user stopped it or nobody
        knows, because the host was lost."""
        trouble = attempt.trouble
        self.found.refused.update(
            {case: why for case, why in attempt.refused.items() if case not in self.told}
        )
        if self.open_case is not None and self.open_case[0] in attempt.refused:
            self.open_case = None
        if self.found.ending != "finished" and attempt.interrupted:
            self.ends("interrupted")
        clear = trouble is None or trouble.reason != "host_unavailable"
        if self.open_case is not None and clear and not attempt.interrupted:
            self._take_failure(_broken_off(*self.open_case, trouble or _CUT))
        self.open_case = None
        self.tell_trouble(trouble)
        if attempt.interrupted or self.fault is not None:
            why = None if attempt.interrupted else self.fault
            untold = self.asked - self.told - self.found.refused.keys()
            self.found.left.update(dict.fromkeys(untold, why))

    def tell_trouble(self, trouble: Trouble | None) -> None:
        """For the cases that never began, which did not run out of memory themselves."""
        if trouble is not None:
            self._take_fault(
                Failure(
                    case_id=None, stage=None, reason="host_unavailable", message=trouble.message
                )
            )


def _origin(attempt: Attempt, job: JobNote) -> Origin:
    uuids = [r.environment.device.uuid for r in attempt.records if isinstance(r, Started)]
    return Origin(job.node, (uuids or [""])[-1] or "", job.number)


_CUT: Final = Trouble("the stream of records ended in the middle of this case", "crash")


def _broken_off(case_id: str, stage: Stage, trouble: Trouble) -> Failure:
    return Failure(case_id=case_id, stage=stage, reason=trouble.reason, message=trouble.message)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One stream of records, as far as it could be read, each once and in the order of their
    numbers; `refused` says why by case id. `job` is the one that made it, on a pool."""

    records: tuple[Record, ...]
    interrupted: bool = False
    remarks: tuple[str, ...] = ()
    trouble: Trouble | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    job: JobNote | None = None

    @property
    def missing(self) -> int:
        """How many records were lost before the last one, as their numbers tell."""
        sent = 1 + max((record.seq for record in self.records), default=-1)
        return sent - len(self.records) - len(self.refused)


def fold(host: str, attempts: Iterable[Attempt], plan_id: str) -> HostOutcome:
    """Fold all attempts of one host, oldest first; a later result replaces an earlier failure.

    Args:
        plan_id: of the run. An attempt at another plan says nothing about its cases.
    """
    state = _Fold(HostOutcome(host, "lost"))
    for attempt in attempts:
        state.begin_attempt()
        others = {r.plan_id for r in attempt.records if isinstance(r, Started)} - {plan_id}
        if others:
            state.remark(f"an attempt was made at another plan ({', '.join(others)})")
            continue
        if attempt.job is not None and not state.take_job(attempt, attempt.job):
            state.tell_trouble(attempt.trouble)
            continue
        broken = attempt.job is not None and attempt.job.end == "broken"
        for record in attempt.records:
            if not (broken and isinstance(record, Measurement)):
                state.take(record)
        missing = attempt.missing
        if missing > 0:
            state.remark(f"{missing} of {missing + len(attempt.records)} records are missing")
        state.close_attempt(attempt)
        state.remark(*attempt.remarks)
    return state.conclude()

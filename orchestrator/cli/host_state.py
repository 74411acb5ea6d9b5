"""How far one host is, and how long it will take, from what it has said so far.

Time left: what a case takes before it is timed is taken to be the mean of the cases seen, of the
same mode if there is one; what its timing takes follows from the times seen, in the proportion of
the eager times that were published for a T4 (see estimate).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from harness.contract.plan import Case
from harness.contract.records import CaseStarted, Failure, Measurement, Record, Started
from orchestrator import estimate, wording
from orchestrator.cli.case_names import parts, short_name
from orchestrator.compare.facts import samples
from orchestrator.statistics import statistics

Phase: TypeAlias = Literal["preparing", "measuring", "done", "lost", "skipped"]
Kind: TypeAlias = Literal["start", "result", "failure"]

_DOING: Final = {
    "build": "building",
    "verify": "running eager",
    "compile": "compiling",
    "warmup": "warming up",
    "measure": "measuring",
}
_TIMED: Final = ("warmup", "measure")
_ANY: Final = ""
_OUT_OF_REACH: Final = "out of reach"


@dataclass(frozen=True, slots=True)
class Line:
    """Something worth a line of its own."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A case to come: its mode, and its timed calls in proportion to those of others."""

    mode: str
    weight: float


@dataclass(slots=True)
class _Pace:
    """What the cases seen so far took: before they were timed, by mode, and while they were."""

    before_s: dict[str, float] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    timed_s: float = 0.0
    weight: float = 0.0

    def learn(self, record: Measurement) -> None:
        timed_s = sum(record.stage_s.get(stage, 0.0) for stage in _TIMED)
        before_s = record.start_up_s + sum(record.stage_s.values()) - timed_s
        for key in (record.case.mode, _ANY):
            self.before_s[key] = self.before_s.get(key, 0.0) + before_s
            self.seen[key] += 1
        self.timed_s += timed_s
        self.weight += estimate.t4_call_s(record.case)

    def seconds(self, case: _Ahead) -> float:
        """What a case will take, once one has been seen."""
        key = case.mode if self.seen[case.mode] else _ANY
        return self.before_s[key] / self.seen[key] + self.timed_s * case.weight / self.weight


@dataclass(slots=True)
class HostState:
    """One host, as the desk knows it."""

    clock: Callable[[], float] = time.monotonic
    phase: Phase = "preparing"
    stage: str = "waiting"
    case_id: str = ""
    last: str = ""
    measured: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    total: int = 0
    trouble: str = ""
    _streams: int = 0
    _ahead: dict[str, _Ahead] = field(default_factory=dict)
    _pace: _Pace = field(default_factory=_Pace)
    _began_s: float = field(init=False)
    _stage_s: float = field(init=False)
    _case_s: float | None = None
    _away: bool = False

    def __post_init__(self) -> None:
        self._began_s = self._stage_s = self.clock()

    @property
    def now(self) -> str:
        """What it does, and to which case."""
        return f"{short_name(self.case_id)} · {self.doing}" if self.case_id else self.doing

    @property
    def doing(self) -> str:
        """What it does, as far as anybody knows."""
        return _OUT_OF_REACH if self._away else self.stage

    def lose_touch(self) -> None:
        """Until its next record nobody knows what it does."""
        if not self._away:
            self._away, self._stage_s = True, self.clock()

    @property
    def done(self) -> int:
        """Cases that have come to an end, one way or the other."""
        return self.measured + self.failed.total()

    @property
    def over(self) -> bool:
        """Whether nothing more is to come from it."""
        return self.phase in ("done", "lost", "skipped")

    def take(self, record: Record) -> Line | None:
        """Move on; returns what is worth a line of its own."""
        if self._away:
            self._away, self._stage_s = False, self.clock()
        match record:
            case Started():
                return self._start(record)
            case CaseStarted():
                self._enter(record)
            case Measurement():
                return self._measure(record)
            case Failure():
                return self._fail(record)
            case _:
                pass
        return None

    def prepare(self, what: str) -> bool:
        """Name what precedes the first record; returns whether that is news."""
        text = wording.one_line(what)
        news = text != self.stage
        if news:
            self.stage, self._stage_s = text, self.clock()
        return news

    def end(self, trouble: str) -> None:
        """The host has finished; or cannot go on, and this is why."""
        self.trouble = wording.one_line(trouble) or self.trouble
        self.phase = "lost" if self.trouble else "done"
        self.stage, self.case_id, self._away = self.phase, "", False
        self._stage_s = self.clock()

    def skip(self, why: str) -> None:
        """Nothing is started on it, and nothing is lost there."""
        self.phase, self.stage, self.case_id = "skipped", wording.one_line(why), ""
        self._stage_s = self.clock()

    def stage_s(self) -> float:
        """Seconds since it began what it is doing."""
        return self.clock() - self._stage_s

    def left_s(self) -> float | None:
        """Seconds left; None before the first case has been measured, and at the end."""
        if self.phase != "measuring" or not self._pace.seen:
            return None
        work_s = sum(map(self._pace.seconds, self._ahead.values()))
        spent_s = 0.0 if self._case_s is None else self.clock() - self._case_s
        return max(0.0, work_s / self._streams - spent_s)

    def recap(self) -> str:
        """What became of it, in a line; in a second one, why it was lost."""
        if self.phase == "skipped":
            return self.stage
        why = f"\n  {self.trouble}" if self.trouble else ""
        if not self.total:
            return f"nothing measured{why}"
        counted = f"{self.measured} of {wording.many(self.total, 'case')} measured"
        reasons = (
            f"{count} {wording.reason(reason)}" if count > 1 else wording.reason(reason)
            for reason, count in self.failed.most_common()
        )
        failed = f", {self.failed.total()} failed ({', '.join(reasons)})," if self.failed else ""
        lost = ", then lost," if self.phase == "lost" else ""
        return f"{counted}{failed}{lost} in {duration(self.clock() - self._began_s)}{why}"

    def _start(self, record: Started) -> Line | None:
        environment = record.environment
        name = wording.device(environment.device.name)
        self.phase, self.stage = "measuring", "starting"
        self._streams += 1  # one for each GPU
        self.total += len(record.case_ids)
        self._ahead |= {case_id: _ahead(case_id) for case_id in record.case_ids}
        if self._streams > 1 and not record.case_ids:  # one more worker of a pool
            return None
        cases = wording.many(self.total, "case")
        if self._streams > 1 and environment.device.type == "cuda":
            more = f"{wording.count(len(record.case_ids))} more of now {cases}"
            return Line("start", f"{name}, {more} on {self._streams} GPUs")
        return Line("start", f"{name}, torch {wording.one_line(environment.torch)}, {cases}")

    def _enter(self, record: CaseStarted) -> None:
        self.case_id, self.stage = record.case_id, _DOING[record.stage]
        self._stage_s = self.clock()
        if record.stage == "build" or self._case_s is None:
            self._case_s = self._stage_s

    def _measure(self, record: Measurement) -> Line:
        self._pace.learn(record)
        self.measured += 1
        self.last = glance(record)
        return self._leave("result", record.case_id, describe(record))

    def _fail(self, record: Failure) -> Line:
        if record.case_id is None:  # the harness goes no further, and this is why
            self.trouble = wording.one_line(record.message)
            return Line("failure", f"✕ {self.trouble}")
        self.failed[record.reason] += 1
        message = f"✕ {wording.reason(record.reason)}: {wording.one_line(record.message)}"
        return self._leave("failure", record.case_id, message)

    def _leave(self, kind: Kind, name: str, sentence: str) -> Line:
        self._ahead.pop(name, None)
        self._case_s = None
        counted = f"[{self.done}/{self.total}] " if self.total else ""
        return Line(kind, f"{counted}{short_name(name)}: {sentence}")


def _ahead(case_id: str) -> _Ahead:
    """What is known of a case by its id; a host may send anything as one."""
    try:
        model, recipe, precision, batch, *_ = parts(case_id)
        case = Case.model_validate(
            {"model": model, "recipe": recipe, "precision": precision, "batch_size": int(batch[1:])}
        )
        return _Ahead(case.mode, estimate.t4_call_s(case))
    except ValueError:
        return _Ahead(_ANY, estimate.UNKNOWN_T4_S)


def describe(measurement: Measurement) -> str:
    """The result of a case in a few words."""
    eager = samples(measurement.blocks, "eager")
    compiled = samples(measurement.blocks, "compiled")
    ratio = statistics.speed_up(eager, compiled)
    verdict = statistics.decide(ratio)
    words = {"same": "no difference", "unclear": "unclear"}.get(verdict, verdict)
    return (
        f"{wording.milliseconds(statistics.summarise(eager).mean.value)} eager, "
        f"{wording.milliseconds(statistics.summarise(compiled).mean.value)} compiled, "
        f"{wording.speed_up(ratio.value)} {wording.SYMBOLS[verdict]} {words}"
    )


def glance(measurement: Measurement) -> str:
    """The compiled time alone."""
    compiled = samples(measurement.blocks, "compiled")
    return wording.milliseconds(statistics.summarise(compiled).mean.value)


def duration(value_s: float) -> str:
    """Rounded for people: "40 s", "6 min", "3.5 h"."""
    if value_s < 90:
        return f"{value_s:.0f} s"
    if value_s < 90 * 60:
        return f"{value_s / 60:.0f} min"
    return f"{value_s / 3600:.1f} h"

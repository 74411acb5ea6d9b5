"""What a host may send: only results of its own plan, each once, and no more than a plan can need
(pure).

A host may be hostile, or merely confused. Nothing that it sends can reach another host's file, so
what remains is to keep it from telling of cases that it was not given, from telling of one case
twice, and from filling the disk. A record that is refused costs no other record.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from harness.contract.plan import Plan
from harness.contract.records import (
    CaseStarted,
    Failure,
    Finished,
    Heartbeat,
    Measurement,
    Record,
    Started,
)

# A measurement holds at most six numbers of 22 characters per iteration, and beside them the calls
# of the warm-up, telemetry by block and notes. Started and failures are smaller.
_LINE_BYTES: Final = 2 << 20
_ITERATION_BYTES: Final = 256
_OTHERWISE_BYTES: Final = 32 << 10
# Heartbeats and stages hold a case id and little else.
_EVENT_BYTES: Final = 1 << 10
_EVENTS: Final = 1_000
_STAGES_OF_A_CASE: Final = 30
_MOST_EVENTS: Final = 10_000_000
_HOST_FAILURES: Final = 20
# Lines that cannot be read leave a gap in the numbers, but never one like this.
_WIDEST_GAP: Final = 100_000
_SHOWN: Final = 120
# Of refused records, so many are told of: enough to see what is wrong with a host.
REFUSALS_KEPT: Final = 20


class TooMuchError(ValueError):
    """A host sends more than its plan can need: it is to be heard no longer."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much one host may send for a plan: in a line, heartbeats and stages, and in all."""

    line_bytes: int
    events: int
    stream_bytes: int

    @classmethod
    def of(cls, plan: Plan) -> Allowance:
        protocol, cases = plan.protocol, len(case_ids(plan))
        line_bytes = _LINE_BYTES + _ITERATION_BYTES * protocol.iterations
        beats = _STAGES_OF_A_CASE + protocol.case_limit_s / protocol.heartbeat_s
        events = int(min(_MOST_EVENTS, _EVENTS + cases * beats))
        results = (cases + _HOST_FAILURES + 2) * line_bytes
        return cls(line_bytes, events, results + events * _EVENT_BYTES)


def likely_bytes(plan: Plan) -> int:
    """What the records of a plan take on disk, or rather more: twice what a GPU's cases do."""
    return len(case_ids(plan)) * (_OTHERWISE_BYTES + _ITERATION_BYTES * plan.protocol.iterations)


@functools.lru_cache(maxsize=8)
def case_ids(plan: Plan) -> frozenset[str]:
    """What tells apart the attempts that a plan asks for."""
    return frozenset(attempt.case_id for attempt in plan.attempts())


@dataclass(slots=True)
class Admission:
    """Judges the records of one stream in their order, from its first one."""

    plan: Plan
    allowance: Allowance = field(init=False)
    _last_seq: int = -1
    _elapsed_s: float = 0.0
    _backwards: bool = False
    _started: bool = False
    _finished: bool = False
    _events: int = 0
    _host_failures: int = 0
    _results: dict[str, str] = field(default_factory=dict)
    _unreadable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.allowance = Allowance.of(self.plan)

    def objection(self, record: Record) -> str:
        """Why a record may not be kept, in half a sentence; empty where it may.

        Raises: TooMuchError.
        """
        why = self._out_of_order(record) or self._out_of_place(record)
        if not why:
            self._take(record)
        return why

    def concerns(self, case_id: str, seq: int) -> bool:
        """Whether a result that could not be read is the first one told of a planned case."""
        told = case_id in self._results or case_id in self._unreadable
        if told or case_id not in case_ids(self.plan) or not self.in_order(seq):
            return False
        self._unreadable.add(case_id)
        self._last_seq = seq
        return True

    def in_order(self, seq: int) -> bool:
        """Whether a record of this number may come next; some before it may have been lost."""
        return self._last_seq < seq <= self._last_seq + _WIDEST_GAP

    def oddity(self, record: Record) -> str:
        """What is strange about a record that is kept; empty where nothing is."""
        ago_s, self._elapsed_s = self._elapsed_s - record.elapsed_s, record.elapsed_s
        if ago_s > 0 and not self._backwards:
            self._backwards = True
            return f"its clock went back by {ago_s:.3g} s: do not trust what it timed"
        if isinstance(record, Finished):
            return self._miscounted(record)
        return ""

    def _out_of_order(self, record: Record) -> str:
        if self._finished:
            return "it came after the last record"
        if self.in_order(record.seq):
            return ""
        return f"its number is {_number(record.seq)}, and {self._last_seq + 1} was to come"

    def _out_of_place(self, record: Record) -> str:
        match record:
            case Started():
                return self._strange_start(record)
            case Measurement() | CaseStarted() | Failure() | Heartbeat():
                return self._strange_case(record)
            case Finished():
                return ""

    def _strange_start(self, record: Started) -> str:
        if self._started:
            return "a stream has begun already, so this may be another host's"
        strange = [one for one in record.case_ids if one not in case_ids(self.plan)]
        return _not_planned(strange[0]) if strange else ""

    def _strange_case(self, record: Measurement | CaseStarted | Failure | Heartbeat) -> str:
        case_id = record.case_id
        if case_id is not None and case_id not in case_ids(self.plan):
            return _not_planned(case_id)
        if isinstance(record, CaseStarted | Heartbeat):
            return ""
        if case_id is not None and case_id in self._results:
            return f"{case_id} was {self._results[case_id]} already"
        if case_id is None and self._host_failures == _HOST_FAILURES:
            return f"this host has failed {_HOST_FAILURES} times already"
        return ""

    def _take(self, record: Record) -> None:
        self._last_seq = record.seq
        match record:
            case Started():
                self._started = True
            case Measurement():
                self._results[record.case_id] = "measured"
            case Failure(case_id=None):
                self._host_failures += 1
            case Failure(case_id=str(case_id)):
                self._results[case_id] = "given up"
            case Finished():
                self._finished = True
            case _:
                self._count_event()

    def _count_event(self) -> None:
        self._events += 1
        if self._events > self.allowance.events:
            raise TooMuchError(
                f"more than {self.allowance.events:,} heartbeats and stages came, which its plan "
                "cannot need"
            )

    def _miscounted(self, record: Finished) -> str:
        counts = Counter(self._results.values())
        came = (counts["measured"], counts["given up"])
        if (record.measured, record.failed) == came:
            return ""
        return (
            f"it says that {_number(record.measured)} cases were measured and "
            f"{_number(record.failed)} failed, and sent {came[0]} and {came[1]}"
        )


def _not_planned(case_id: str) -> str:
    return f"{' '.join(case_id[:_SHOWN].split())!r} is no case of its plan"


def _number(value: int) -> str:
    """Digits, but not thousands of them."""
    return str(value) if value < 10**15 else "beyond all bounds"

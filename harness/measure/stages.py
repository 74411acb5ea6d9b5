"""The stages of a case: announced as they begin, timed as they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from harness.contract.records import CaseStarted, Record
from harness.contract.vocabulary import Stage


class Sender(Protocol):
    """Whatever takes records."""

    def send(self, record: Record) -> None: ...


@dataclass(slots=True)
class Stages:
    """Announces each stage of a case and keeps its duration in seconds."""

    case_id: str
    sender: Sender
    current: Stage = "build"
    seconds: dict[Stage, float] = field(default_factory=dict)

    @contextmanager
    def enter(self, stage: Stage) -> Iterator[None]:
        self.current = stage
        self.sender.send(CaseStarted(case_id=self.case_id, stage=stage))
        start_s = perf_counter()
        yield
        self.seconds[stage] = perf_counter() - start_s

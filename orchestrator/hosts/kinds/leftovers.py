"""What runs leave on their hosts: what can be taken up again, and what can be removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.contract.plan import Plan
from orchestrator.hosts import STARTING, Session
from orchestrator.hosts.engine import Container
from orchestrator.hosts.pooled import PooledHost
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.outcomes import Attempt
from orchestrator.records.rundir import RunFolder

Find: TypeAlias = Callable[[AttemptFile], Session | None]
"""Follows the harness of an earlier attempt, if it is still there. Raises: HostError."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a run has of one host. `rest` is its plan without the cases that have a result, or a
    failure; `is_whole`: nothing is left that --resume would measure; `is_finished`: the last record
    came."""

    folder: RunFolder
    attempts: Mapping[str, Attempt]
    rest: Plan
    is_whole: bool
    is_finished: bool

    def unfinished(self) -> tuple[str, ...]:
        """The attempts that may be under way, or have records to fetch."""
        if self.is_whole and self.is_finished:
            return ()
        return tuple(name for name, attempt in self.attempts.items() if not is_over(attempt))


@dataclass(frozen=True, slots=True)
class Attached:
    """How what is left of a run on a host is taken up: harnesses by attempt, and pools, whose queue
    was here, with what they have still to do. Neither: nothing is under way there."""

    harnesses: Mapping[str, Find] = field(default_factory=dict)
    pools: Mapping[PooledHost, Plan] = field(default_factory=dict)


def is_over(attempt: Attempt) -> bool:
    """Whether everything that this harness will ever say is on disk; one that broke off before
    there was a container says nothing."""
    trouble = attempt.trouble
    if attempt.job is not None and attempt.job.end:
        return True
    if trouble is not None and trouble.preparing not in ("", STARTING):
        return True
    ended = trouble is not None and trouble.reason != "host_unavailable"
    return ended or any(record.kind == "finished" for record in attempt.records)


WhyKeep: TypeAlias = Callable[[Container], str]
"""Why a container, or what bears the labels of one, must not go yet; empty if it may."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to remove. `run_id` none: of every run of this user. `force`: unread records as well."""

    run_id: str | None = None
    force: bool = False
    images: bool = False
    volumes: bool = False


@dataclass(slots=True)
class Cleaned:
    """What was done on one host, a phrase each. `failed`: it could not be looked at."""

    host: str
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: str = ""

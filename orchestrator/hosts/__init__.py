"""Where a harness runs: one protocol for every kind of host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from harness.contract.plan import Plan
from orchestrator.errors import NoHostError
from orchestrator.records.attempt_file import AttemptFile

Say: TypeAlias = Callable[[str], None]
"""Tells what a host is doing before its first record; raises when the run is being stopped."""
STARTING: Final = "starting the harness"
"""What a host with an engine says from when there may be a container; nothing is left of what broke
off before."""
AGAIN: Final = "connecting again"
"""How what it says ends while it does nothing else."""


@dataclass(frozen=True, slots=True)
class FromStart:
    """What follows is the stream from its first byte again; `remark` says what happened, or nothing
    where that is of no interest. `away`: the host is out of reach, and nothing follows yet."""

    remark: str
    away: bool = False


class LogError(Exception):
    """What holds the log of a harness refused something, or could not be reached."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Session(Protocol):
    """A harness at work on one host."""

    def chunks(self) -> Iterator[bytes | FromStart]:
        """The bytes of its records as they come; ends when the harness has.

        Raises: HostError: how the harness ended, where that is worth a sentence, or that the host
        was lost.
        """
        ...

    def recover(self, seq: int, /) -> bool:
        """A record of this number should have come, and a later one has.

        Returns: whether the stream now begins anew, with that record if the harness still has it.
        """
        ...

    def stop(self) -> bool:
        """Ask it to stop: the running case is abandoned, records written so far stay.

        Returns: whether it could be told to."""
        ...

    def finish(self) -> None:
        """Its last record is on disk, so it may end."""
        ...

    def detach(self) -> bool:
        """Leave it running, if it can without this desk, else stop it. Returns: whether it runs."""
        ...

    def kill(self) -> bool:
        """End it at once, unless it was left running on purpose. Returns: whether that was done."""
        ...


class Host(Protocol):
    """Something that can run the harness. Several of one name are one host with several GPUs."""

    @property
    def name(self) -> str: ...

    def check(self, plan: Plan) -> None:
        """Raises: NoHostError: this host cannot measure the plan, and what to do about it."""
        ...

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> Session:
        """Start the harness; what it prints besides records goes to the file `attempt.log`.

        Raises: HostError: the host cannot be used, and what to do about it.
        """
        ...


@dataclass(frozen=True, slots=True)
class RefusedHost:
    """A host that cannot measure a plan, known before anything was started. It takes the place of
    the one that was asked, so that nobody asks again."""

    name: str
    why: NoHostError

    def check(self, _plan: Plan) -> None:
        raise self.why

    def start(self, _plan: Plan, _attempt: AttemptFile, _say: Say) -> Session:
        raise self.why

"""Where a harness runs: one protocol for every kind of host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from harness.plan import Plan


class Session(Protocol):
    """A harness at work on one host."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes of its records as they come; ends when the harness has."""
        ...

    def stop(self) -> None:
        """Ask it to stop: the running case is abandoned, records written so far stay."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class Host(Protocol):
    """Something that can run the harness."""

    @property
    def name(self) -> str: ...

    def check(self, plan: Plan) -> None:
        """Raises: NoHostError: this host cannot measure the plan, and what to do about it."""
        ...

    def start(self, plan: Plan, log: Path) -> Session:
        """Start the harness; what it prints besides records goes to the file `log`."""
        ...

"""One line of a diagnosis, and what the lines of a host come to (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["good", "bad", "unknown"]

SYMBOLS: Final = {"good": "✓", "bad": "✗", "unknown": "–"}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and the command that mends it.

    With `optional` a host can measure all the same. Unknown is neither right nor wrong.
    """

    subject: str
    state: State
    found: str
    mend: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """All lines of one host."""

    host: str
    address: str
    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        """Whether it can measure, as far as is known."""
        return not any(check.state == "bad" and not check.optional for check in self.checks)


def exit_code(hosts: Iterable[Examined]) -> int:
    """0: all hosts are usable; 1: some are; 3: none is."""
    verdicts = [host.usable for host in hosts]
    return 0 if all(verdicts) else 1 if any(verdicts) else 3

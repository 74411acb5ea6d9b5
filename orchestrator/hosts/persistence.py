"""Doing something on a host though the link to it may break meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from orchestrator.hosts import AGAIN, Say
from orchestrator.hosts.engine import EngineError, LinkError, SlowError

T = TypeVar("T")
# How often a link may break over one thing.
_BREAKS: Final = 5
PAUSE_S: Final = 2.0


class Line(Protocol):
    """What can be connected again from nothing."""

    def connect(self) -> None:
        """Raises: EngineError."""
        ...


def _here(_: LinkError) -> str:
    return f"out of reach; {AGAIN}"


@dataclass(frozen=True, slots=True)
class Persistence:
    """Connects again, for as long as `patience_s`, and begins anew. What takes too long, or what
    no other try can mend, is told at once."""

    patience_s: float = 0.0
    pause_s: float = PAUSE_S

    def over(
        self,
        line: Line,
        say: Say,
        work: Callable[[], T],
        explain: Callable[[LinkError], str] = _here,
    ) -> T:
        """Args:
            explain: what to say of a break while connecting again.
        Raises: EngineError; what the work raises."""
        for left in reversed(range(_BREAKS)):
            try:
                return work()
            except LinkError as error:
                if not left or is_final(error):
                    raise
                self._connect_again(line, error, lambda trouble: say(explain(trouble)))
        raise AssertionError

    def _connect_again(
        self, line: Line, error: LinkError, say: Callable[[LinkError], None]
    ) -> None:
        """Raises: LinkError: the host stayed out of reach."""
        start_s = time.monotonic()
        while True:
            say(error)
            time.sleep(self.pause_s)
            try:
                return line.connect()
            except LinkError as trouble:
                error = trouble
                if is_final(error) or time.monotonic() - start_s > self.patience_s:
                    raise


def is_final(error: EngineError) -> bool:
    """Whether no other try mends it, or only takes as long again."""
    return isinstance(error, SlowError) or (isinstance(error, LinkError) and error.lasting)

"""How the steps of `gpu_check` share the time of a call, whatever each of them does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from benchmarks.ledger import Ledger

WALL: Final = "steps.jsonl"
# Less is not worth a process that loads torch.
LEAST_S: Final = 5.0


class StepError(Exception):
    """A step found that it can get nothing done here, and calling it again would not help."""


class Step(Protocol):
    """A part of the check that is complete in itself and can be interrupted at any moment."""

    @property
    def name(self) -> str: ...

    @property
    def budget_s(self) -> float:
        """The time that it may take, over all calls, before the steps after it had theirs."""

    def run(self, until_s: float) -> bool:
        """Go on with what is left; whether nothing is any more.

        Args:
            until_s: when to stop for now, on the monotonic clock.
        Raises: StepError.
        """

    def left(self) -> Sequence[str]:
        """What is left, each with what keeps it from being done if anything does."""


@dataclass(frozen=True, slots=True)
class Walls:
    """How long each step took over all calls, in seconds, on disk after each time."""

    output: Path

    def spent_s(self) -> dict[str, float]:
        spent: dict[str, float] = {}
        for line in Ledger(self.output / WALL).lines():
            name = line.get("result", "")
            spent[name] = spent.get(name, 0.0) + line.get("wall_s", 0.0)
        return spent

    def run(self, step: Step, until_s: float) -> bool:
        """Run a step, and keep how long it took even where that is cut short."""
        start_s, done = time.monotonic(), False
        try:
            done = step.run(until_s)
        finally:
            wall_s = round(time.monotonic() - start_s, 3)
            Ledger(self.output / WALL).keep(step.name, wall_s=wall_s, done=done)
        return done


def take_turns(steps: Callable[[], Iterable[Step]], walls: Walls, deadline_s: float) -> None:
    """Each step within its budget first, in their order; then what is left of each, in the same
    order, until the deadline.

    Args:
        steps: yields them lazily, because what a later one is to do depends on an earlier one.
    Raises: StepError.
    """
    for within_budget in (True, False):
        for step in steps():
            now_s = time.monotonic()
            if now_s >= deadline_s:
                return
            if not step.left():
                continue
            spare_s = step.budget_s - walls.spent_s().get(step.name, 0.0)
            if within_budget and spare_s < LEAST_S:
                continue
            walls.run(step, min(deadline_s, now_s + spare_s) if within_budget else deadline_s)

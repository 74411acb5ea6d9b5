"""The cases of a pool over its workers (pure): which is next, which are under way, which were lost.

The longest first, because a long case that begins last keeps all other workers waiting: Graham
(1969), "Bounds on multiprocessing timing anomalies". Not safe for several threads by itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from harness.contract.plan import Case, CaseAttempt
from orchestrator.records.journal import Control

# The first, and two repetitions.
MOST_TRIES: Final = 3


# What is taken first, and what last and by itself; all else by its length in between.
_FIRST, _BETWEEN, _LAST = range(3)


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt, to be made by one worker. `number` counts its tries from 1; a `control` is
    the same once more, for the check that workers agree, and `copy` tells such ones apart."""

    attempt: CaseAttempt
    number: int = 1
    control: Control = ""
    copy: int = 0


@dataclass(slots=True)
class Dispatch:
    """Who measures what next.

    Args:
        cost: seconds that a case takes, as estimated.
        workers: how many cases may be under way at once.
        clock: seconds, monotonic.
        controls: what is measured besides: "beside" together with the case itself, before all
            others, so that each has a GPU of its own; "alone" when nothing else is under way.
    """

    attempts: Iterable[CaseAttempt]
    cost: Callable[[Case], float]
    workers: int
    clock: Callable[[], float]
    controls: Sequence[Turn] = ()
    _waiting: list[tuple[int, float, int, Turn]] = field(default_factory=list)
    _under_way: dict[Turn, bool] = field(default_factory=dict)
    _moved_s: float = field(init=False)
    _order: int = 0

    def __post_init__(self) -> None:
        early = {turn.attempt for turn in self.controls if turn.control == "beside"}
        for attempt in self.attempts:
            self._put(Turn(attempt), early)
        for turn in self.controls:
            self._put(turn, early)
        self._moved_s = self.clock()

    def _put(self, turn: Turn, early: AbstractSet[CaseAttempt] = frozenset()) -> None:
        rank = _FIRST if turn.attempt in early else _BETWEEN
        if turn.control == "alone":
            rank = _LAST
        self._order += 1
        heapq.heappush(self._waiting, (rank, -self.cost(turn.attempt.case), self._order, turn))

    @property
    def left(self) -> int:
        """Cases that nobody has begun."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def take(self) -> Turn | None:
        """The next case for a worker; None where there is none, or all workers have one."""
        if not self._waiting or len(self._under_way) >= self.workers:
            return None
        if self._waiting[0][0] == _LAST and self._under_way:
            return None
        turn = heapq.heappop(self._waiting)[-1]
        self.resume(turn)
        return turn

    def resume(self, turn: Turn) -> None:
        """A case is under way already, begun by a desk that is gone."""
        self._under_way[turn] = False

    def runs(self, turn: Turn) -> None:
        """A node has taken the case up."""
        if not self._under_way[turn]:
            self._under_way[turn] = True
            self._moved_s = self.clock()

    def done(self, turn: Turn) -> None:
        """The case has its result, whatever it is."""
        del self._under_way[turn]
        self._moved_s = self.clock()

    def lost(self, turn: Turn) -> bool:
        """The node of a case is gone. Returns: whether the case will be tried again."""
        self.done(turn)
        if turn.number >= MOST_TRIES:
            return False
        self._put(Turn(turn.attempt, turn.number + 1))
        return True

    def give_back(self, turn: Turn) -> None:
        """The case was never begun; somebody else may."""
        del self._under_way[turn]
        self._put(turn)

    def starved_s(self) -> float:
        """Seconds for which cases have waited for a node while not one was measured."""
        if not self._under_way or any(self._under_way.values()):
            return 0.0
        return self.clock() - self._moved_s

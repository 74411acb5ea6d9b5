"""The cases of a pool over its workers."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

import pytest

from harness.contract.plan import Case, CaseAttempt
from orchestrator.fleet.dispatch import MOST_TRIES, Dispatch, Turn
from tests.factories import case


@dataclass
class Watch:
    """A clock that goes when it is told to."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def dispatch(count: int, workers: int, clock: Watch | None = None) -> Dispatch:
    """Cases whose batch size is their cost."""
    attempts = [CaseAttempt(case=case(batch_size=size)) for size in range(1, count + 1)]
    random.Random(1).shuffle(attempts)
    return Dispatch(attempts, _cost, workers, clock or Watch())


def _cost(of: Case) -> float:
    return float(of.batch_size)


def take(of: Dispatch) -> Turn:
    turn = of.take()
    assert turn is not None
    return turn


def test_the_longest_case_is_first() -> None:
    of = dispatch(5, 5)
    assert [take(of).attempt.case.batch_size for _ in range(5)] == [5, 4, 3, 2, 1]
    assert of.take() is None


def test_no_more_cases_are_under_way_than_there_are_workers() -> None:
    of = dispatch(3, 2)
    first = take(of)
    take(of)
    assert of.take() is None
    of.done(first)
    assert take(of).attempt.case.batch_size == 1


def test_the_case_of_a_lost_node_comes_again_at_most_twice() -> None:
    of = dispatch(1, 1)
    numbers = []
    while (turn := of.take()) is not None:
        numbers.append(turn.number)
        assert of.lost(turn) == (turn.number < MOST_TRIES)
    assert numbers == [1, 2, 3]


def test_a_case_that_never_began_is_nobodys_try() -> None:
    of = dispatch(1, 1)
    of.give_back(take(of))
    assert take(of).number == 1


def test_a_pool_starves_while_cases_wait_and_none_is_measured() -> None:
    clock = Watch()
    of = dispatch(2, 2, clock)
    first, second = take(of), take(of)
    clock.now_s += 40
    assert of.starved_s() == 40
    of.runs(first)
    clock.now_s += 100
    assert of.starved_s() == 0
    of.done(first)
    clock.now_s += 7
    assert of.starved_s() == 7
    of.done(second)
    assert of.starved_s() == 0


@pytest.mark.parametrize("workers", [1, 3, 64])
def test_wall_time_is_near_the_ideal(workers: int) -> None:
    """Graham's bound for the longest first is 4/3 of the optimum; many cases come far closer."""
    of = dispatch(1000, workers)
    work = sum(range(1, 1001))
    ends: list[tuple[float, int, Turn]] = []
    now, count = 0.0, 0
    while True:
        while (turn := of.take()) is not None:
            count += 1
            heapq.heappush(ends, (now + _cost(turn.attempt.case), count, turn))
        if not ends:
            break
        now, _, turn = heapq.heappop(ends)
        of.done(turn)
    assert count == 1000
    assert now <= 1.01 * work / workers + 1

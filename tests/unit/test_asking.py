"""Asking many at once: answers as they come, and a limit."""

from __future__ import annotations

import threading
from time import perf_counter

import pytest

from orchestrator.fleet.asking import ask_all


def test_answers_come_in_their_own_order() -> None:
    slow_may_answer = threading.Event()

    def ask(name: str) -> str:
        if name == "slow":
            slow_may_answer.wait(10)
        return name.upper()

    answers = ask_all(["slow", "quick"], ask, limit_s=10)
    assert next(answers) == ("quick", "QUICK")
    slow_may_answer.set()
    assert list(answers) == [("slow", "SLOW")]


def test_who_does_not_answer_in_time_is_given_up() -> None:
    for_ever = threading.Event()
    start_s = perf_counter()
    assert list(ask_all(["deaf"], lambda _: for_ever.wait(60), limit_s=0.1)) == [("deaf", None)]
    assert perf_counter() - start_s < 5
    for_ever.set()


def test_what_asking_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ask_all([0], lambda number: 1 / number, limit_s=10))

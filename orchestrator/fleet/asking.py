"""The same question to many hosts at once: each answer as it comes, and a limit for those that give
none.

A pool of threads would be waited for at the end of the process; these threads are left behind, so
that one Ctrl-C ends a command whatever a host is doing.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
A = TypeVar("A")

# Waiting in short steps lets Ctrl-C through on every platform.
_TICK_S: Final = 0.2


def ask_all(
    askeds: Sequence[T], ask: Callable[[T], A], limit_s: float
) -> Iterator[tuple[T, A | None]]:
    """Ask everybody at once. Yields: who, and the answer, in the order of the answers; then None
    for each that has not answered after `limit_s` seconds.

    Raises: what `ask` raised, once it is that answer's turn.
    """
    answers: queue.Queue[tuple[int, A | BaseException]] = queue.Queue()
    for number, asked in enumerate(askeds):
        threading.Thread(target=_ask, args=(number, asked, ask, answers), daemon=True).start()
    waiting = dict(enumerate(askeds))
    deadline_s = time.monotonic() + limit_s
    while waiting and time.monotonic() < deadline_s:
        try:
            number, answer = answers.get(timeout=_TICK_S)
        except queue.Empty:
            continue
        if isinstance(answer, BaseException):
            raise answer
        yield waiting.pop(number), answer
    for asked in waiting.values():
        yield asked, None


def _ask(
    number: int,
    asked: T,
    ask: Callable[[T], A],
    answers: queue.Queue[tuple[int, A | BaseException]],
) -> None:
    try:
        answers.put((number, ask(asked)))
    except Exception as error:  # noqa: BLE001  it is raised again, by whoever asked
        answers.put((number, error))

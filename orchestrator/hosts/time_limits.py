"""Calls of an engine that come to an end: whatever it answers, and however slowly.

A time limit of a single read does not end a call whose answer trickles in. So each call runs in a
thread of its own, which is left behind when its time is up, its connection closed.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, Final, Literal, ParamSpec, Protocol, TypeVar

from orchestrator.hosts.engine import SlowError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that calls may take in all.

    `call_s`: a question, or a container made or removed; healthy engines take one or two, and ssh
    has a minute of its own to connect. `start_s`: a plan may carry 10 MB over a slow line.
    `image_s`: an image built, pulled, loaded or removed; a slow line brings 10 GB in that time.
    """

    call_s: float = 180.0
    start_s: float = 900.0
    image_s: float = 4 * 3600.0


LIMITS: Final = Limits()


class Limited(Protocol):
    """Something whose calls end; `close` ends what they wait for."""

    @property
    def limits(self) -> Limits: ...

    def close(self) -> None: ...


S = TypeVar("S", bound=Limited)


def limited(
    doing: str, limit: Literal["call_s", "start_s", "image_s"] = "call_s"
) -> Callable[[Callable[Concatenate[S, P], T]], Callable[Concatenate[S, P], T]]:
    """Have a method end in time; it raises SlowError, which says what it was `doing`, if it took
    longer than its limit."""

    def decorate(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
        @functools.wraps(method)
        def ending(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            limit_s: float = getattr(self.limits, limit)
            return _within(limit_s, doing, lambda: method(self, *args, **kwargs), self.close)

        return ending

    return decorate


def _within(limit_s: float, doing: str, call: Callable[[], T], close: Callable[[], None]) -> T:
    """Raises: SlowError: it took longer, and was closed; whatever the call raised."""
    answers: queue.SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # noqa: BLE001  it is raised again, by whoever waits
            answers.put((None, error))

    threading.Thread(target=run, name=doing, daemon=True).start()
    try:
        answer, error = answers.get(timeout=limit_s)
    except queue.Empty:
        close()
        raise SlowError(f"{doing} took longer than {limit_s:.0f} s") from None
    try:
        if error is not None:
            raise error
    finally:
        del error  # its traceback holds this frame: sockets would wait for the collector
    return answer  # type: ignore[return-value]

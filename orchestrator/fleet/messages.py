"""What the threads of a run say to whoever watches them."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar

from harness.contract.records import Record
from orchestrator.errors import DeskError

# So many messages may wait to be shown. A measurement is one, and takes up to a megabyte.
_WAITING: Final = 64
# How long a full inbox is waited for before it is asked whether anybody still watches.
_ROOM_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Ended:
    """The last message of a thread; `error` is why it could not go on."""

    error: DeskError | None = None


@dataclass(frozen=True, slots=True)
class Note:
    remark: str


@dataclass(frozen=True, slots=True)
class Doing:
    what: str


@dataclass(frozen=True, slots=True)
class Away:
    """The host is out of reach; until the next record nobody knows what it does."""


Message: TypeAlias = Record | Note | Doing | Away | Ended

_Speaker = TypeVar("_Speaker")


@dataclass(frozen=True, slots=True)
class Inbox(Generic[_Speaker]):
    """What the threads say to whoever watches them; they wait for one who is behind."""

    _messages: queue.Queue[tuple[_Speaker, Message]] = field(
        default_factory=lambda: queue.Queue(_WAITING)
    )
    _unwatched: threading.Event = field(default_factory=threading.Event)

    def put(self, work: _Speaker, message: Message) -> None:
        while not self._unwatched.is_set():
            with contextlib.suppress(queue.Full):
                self._messages.put((work, message), timeout=_ROOM_S)
                break

    def get(self, timeout_s: float) -> tuple[_Speaker, Message]:
        """Raises: queue.Empty."""
        return self._messages.get(timeout=timeout_s)

    def close(self) -> None:
        """Nobody watches any more, so nothing need be said."""
        self._unwatched.set()

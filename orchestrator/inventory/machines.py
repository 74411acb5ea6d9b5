"""What is known of any host, whatever its kind, and how a kind reads and writes its settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from orchestrator.errors import UnknownNameError

LOCAL: Final = "local"
NO_GPU: Final = "none"
# Host names are part of file names, of container names and of labels.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
# What to do about two names of one engine that would measure the same GPU.
ONE_GPU_EACH: Final = "Name it once, or give each name a GPU of its own in hosts.toml."


class Machine(Protocol):
    """One host that a user named. Each kind has a class of its own, with what it needs besides."""

    @property
    def name(self) -> str: ...

    @property
    def price_per_hour(self) -> float | None:
        """In US dollars, where it is known."""
        ...

    @property
    def where(self) -> str:
        """Its address, as people write it; empty where there is none."""
        ...

    def settings(self) -> dict[str, object]:
        """As kept in run.json, which holds no secret; nothing where its name says it all."""
        ...


M = TypeVar("M", bound=Machine)


class AbsentError(UnknownNameError):
    """A table names something that is not there, which the user of another copy may have."""


class Settings(Protocol[M]):
    """How the hosts of one kind stand on the command line, in hosts.toml and in run.json.

    `machine` is their class, `what` what such a host is called in a sentence. A table is of this
    kind if it has one of the keys `marks`; `keys` are all that it may have.
    """

    machine: type[M]
    what: str
    marks: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def of_name(self, _name: str) -> M | None:
        """The host that a name means for which there is no table. Raises: UsageError."""
        return None

    def of_table(self, where: str, name: str, table: Mapping[str, object]) -> M:
        """Read a table of hosts.toml that has one of the marks, and no key but those it may have.

        Raises: UsageError, which begins with `where`; AbsentError.
        """
        ...

    def of_run(self, name: str, settings: Mapping[str, object]) -> M:
        """Read what run.json keeps of a host. Raises: UsageError."""
        ...

    def require_apart(self, _machines: Sequence[M]) -> None:
        """Raises: UsageError: two of these hosts would measure each other."""
        return

    def names(self) -> Iterable[str]:
        """The names that `of_name` knows, as far as they can be listed."""
        return ()

    def damaged(self) -> Sequence[str]:
        """A sentence for each file that should describe a host and cannot be read."""
        return ()

"""One image for all hosts: built on one of them, copied to the others through the desk.

A link that breaks costs no host: the build goes on from the layers that are there, while the others
wait; a copy is begun again, over a connection to its source that no other copy uses. A source that
stays out of reach costs no other host either: the next one builds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator import wording
from orchestrator.hosts import AGAIN, Say
from orchestrator.hosts.engine import Engine, EngineError, LinkError
from orchestrator.hosts.image import BuildInput
from orchestrator.hosts.persistence import Persistence, is_final


class Party(Protocol):
    """A host that takes part: `engine` is its own connection."""

    @property
    def name(self) -> str: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def persistence(self) -> Persistence: ...

    def another_engine(self) -> Engine:
        """One more connection to it, not yet open."""
        ...

    def build(self, build_input: BuildInput, say: Say, log: Path) -> str:
        """Returns: the id of the image, now on this host. Raises: EngineError."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Where the image is, under which id."""

    host: Party
    image: str


@dataclass(slots=True)
class Shipyard:
    """Builds once, for the hosts that only load.

    The first of `queue` that can be used builds; then it waits with measuring until the others
    have copied, because copying would disturb what it measures.
    """

    queue: list[str]
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _source: _Source | None = None

    def obtain(self, host: Party, build_input: BuildInput, say: Say, log: Path) -> str:
        """Returns: the id of the image, now on this host. Raises: EngineError."""
        while True:
            found = host.persistence.over(
                host.engine, say, lambda: self._built(host, build_input, say, log)
            )
            if isinstance(found, str):
                return found
            try:
                return _Passage(found.host, host, say).bring(found.image, build_input.tag)
            except SourceError as error:
                say(f"{found.host.name} does not give the image any more ({error.text})")
                self._give_up(found)

    def _built(self, host: Party, build_input: BuildInput, say: Say, log: Path) -> str | _Source:
        """Returns: the id of what this host has built, once that was its turn; else where another
        one has it. Raises: EngineError."""
        with self._changed:
            while self._source is None and (builder := self.queue[0]) != host.name:
                say(f"waiting for {builder} to build the image")
                self._changed.wait(1)
            if self._source is not None:
                return self._source
        built = host.build(build_input, say, log)
        with self._changed:
            self._source = _Source(host, built)
            self._changed.notify_all()
        return built

    def _give_up(self, source: _Source) -> None:
        with self._changed:
            if self._source is source:
                self._source = None
                self._changed.notify_all()

    def leave(self, host: Party, say: Say) -> None:
        """This host has the image, or never will; the builder waits for the others."""
        with self._changed:
            self.queue.remove(host.name)
            self._changed.notify_all()
            while self.queue and self._source is not None and self._source.host is host:
                have = "has" if len(self.queue) == 1 else "have"
                say(f"waiting until {wording.listed(self.queue)} {have} the image, too")
                self._changed.wait(1)


class SourceError(LinkError):
    """The end of a passage that broke is the one which gives."""

    def __init__(self, cause: EngineError) -> None:
        final = not isinstance(cause, LinkError) or is_final(cause)
        super().__init__(cause.text, lasting=final)


@dataclass(slots=True)
class _Passage:
    """One image on its way from a host to another."""

    source: Party
    target: Party
    say: Say
    _from: Engine = field(init=False)
    _open: bool = False

    def __post_init__(self) -> None:
        self._from = self.source.another_engine()

    def bring(self, image: str, tag: str) -> str:
        """Unless it is there. Returns: its id. Raises: SourceError; EngineError: of the target."""
        try:
            self.target.persistence.over(
                self, self.say, lambda: self._bring(image, tag), self._explain
            )
        finally:
            self._from.close()
        return image

    def _explain(self, error: LinkError) -> str:
        where = f"{self.source.name} is " if isinstance(error, SourceError) else ""
        return f"{where}out of reach; {AGAIN}"

    def connect(self) -> None:
        """Both ends anew: only one may have broken, but it takes no longer. Raises: LinkError."""
        self.target.engine.connect()
        self._connect_source()

    def _connect_source(self) -> None:
        try:
            self._from.connect()
        except EngineError as error:
            raise SourceError(error) from error
        self._open = True

    def _bring(self, image: str, tag: str) -> None:
        if self.target.engine.image(image) is not None:
            return
        self.say(f"copying the image from {self.source.name}")
        if not self._open:
            self._connect_source()
        self.target.engine.load(self._export(tag))

    def _export(self, tag: str) -> Iterator[bytes]:
        try:
            yield from self._from.export(tag)
        except EngineError as error:
            raise SourceError(error) from error

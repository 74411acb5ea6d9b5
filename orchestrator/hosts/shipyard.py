"""One image for all hosts: built on one of them, copied to the others through the desk.

A link that breaks costs no host: the build goes on from the layers that are there, while the others
wait; a copy is begun again, over a connection to its source that no other copy uses.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.errors import HostError
from orchestrator.hosts import Say
from orchestrator.hosts.engine import Engine, EngineError, LinkError
from orchestrator.hosts.image import Recipe
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

    def build(self, recipe: Recipe, say: Say, log: Path) -> str:
        """Returns: the id of the image, now on this host. Raises: EngineError."""
        ...

    def explain(self, error: EngineError) -> HostError: ...


@dataclass(slots=True)
class Shipyard:
    """Builds once, for the hosts that only load.

    The first of `queue` that can be used builds; then it waits with measuring until the others
    have copied, because copying would disturb what it measures.
    """

    queue: list[str]
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _source: Party | None = None
    _image: str | None = None

    def obtain(self, host: Party, recipe: Recipe, say: Say, log: Path) -> str:
        """Returns: the id of the image, now on this host. Raises: EngineError; HostError: it could
        not be had from the host that built it."""
        built = host.persistence.over(host.engine, say, lambda: self._built(host, recipe, say, log))
        if built is not None:
            return built
        assert self._source is not None
        assert self._image is not None
        _Passage(self._source, host, say).bring(self._image, recipe.tag)
        return self._image

    def _built(self, host: Party, recipe: Recipe, say: Say, log: Path) -> str | None:
        """Returns: the id of what this host has built, once that was its turn; None if another
        one did. Raises: EngineError."""
        with self._changed:
            while self._image is None and (builder := self.queue[0]) != host.name:
                say(f"waiting for {builder} to build the image")
                self._changed.wait(1)
        if self._image is not None:
            return None
        built = host.build(recipe, say, log)
        with self._changed:
            self._source, self._image = host, built
            self._changed.notify_all()
        return built

    def leave(self, host: Party, say: Say) -> None:
        """This host has the image, or never will; the builder waits for the others."""
        with self._changed:
            self.queue.remove(host.name)
            self._changed.notify_all()
            while self._source is host and self.queue:
                say(f"waiting until {', '.join(self.queue)} have the image, too")
                self._changed.wait(1)


class _SourceError(LinkError):
    """The end of a passage that broke is the one which gives."""

    def __init__(self, cause: EngineError) -> None:
        final = not isinstance(cause, LinkError) or is_final(cause)
        super().__init__(cause.text, lasting=final)
        self.cause = cause


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

    def bring(self, image: str, tag: str) -> None:
        """Unless it is there. Raises: EngineError: of the target; HostError: of the source."""
        try:
            self.target.persistence.over(self, self.say, lambda: self._bring(image, tag))
        except _SourceError as error:
            told = self.source.explain(error.cause)
            raise HostError(
                f'host "{self.target.name}" could not copy the image: {told.sentence}', told.advice
            ) from error
        finally:
            self._from.close()

    def connect(self) -> None:
        """Both ends anew: only one may have broken, but it takes no longer. Raises: LinkError."""
        self.target.engine.connect()
        self._connect_source()

    def _connect_source(self) -> None:
        try:
            self._from.connect()
        except EngineError as error:
            raise _SourceError(error) from error
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
            raise _SourceError(error) from error

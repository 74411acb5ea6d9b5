"""An engine whose calls come to an end: whatever it answers, and however slowly.

A time limit of a single read does not end a call whose answer trickles in. So each call runs in a
thread of its own, which is left behind when its time is up, its connection closed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from orchestrator.hosts.engine import (
    Container,
    ContainerState,
    Engine,
    EngineFacts,
    ImageFacts,
    Output,
    SlowError,
    Stream,
)

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


@dataclass(frozen=True, slots=True)
class BoundedEngine:
    """An engine, within limits; only following a log, or reading a file, may take as long as there
    is something in it, because the harness itself has a deadline."""

    engine: Engine
    limits: Limits = LIMITS

    def connect(self) -> None:
        self._short("connecting", self.engine.connect)

    def close(self) -> None:
        self.engine.close()

    def facts(self) -> EngineFacts:
        return self._short("asking the engine about itself", self.engine.facts)

    def image(self, reference: str) -> ImageFacts | None:
        return self._short("asking for the image", lambda: self.engine.image(reference))

    def build(self, context: bytes, tag: str, arguments: Mapping[str, str], output: Output) -> str:
        return self._within(
            self.limits.image_s,
            "building the image",
            lambda: self.engine.build(context, tag, arguments, output),
        )

    def pull(self, reference: str, output: Output) -> str:
        return self._within(
            self.limits.image_s, "pulling the image", lambda: self.engine.pull(reference, output)
        )

    def export(self, image: str) -> Iterator[bytes]:
        """Whoever loads it has the limit."""
        return self.engine.export(image)

    def load(self, content: Iterator[bytes]) -> None:
        self._within(self.limits.image_s, "loading the image", lambda: self.engine.load(content))

    def create(self, settings: Mapping[str, object]) -> str:
        return self._short("making the container", lambda: self.engine.create(settings))

    def start(self, container: str, standard_input: bytes) -> None:
        self._within(
            self.limits.start_s,
            "starting the container",
            lambda: self.engine.start(container, standard_input),
        )

    def logs(self, container: str, silence_s: float) -> Iterator[tuple[Stream, bytes]]:
        return self.engine.logs(container, silence_s)

    def file(self, container: str, path: str, silence_s: float) -> Iterator[bytes]:
        return self.engine.file(container, path, silence_s)

    def state(self, container: str) -> ContainerState:
        return self._short("asking for the container", lambda: self.engine.state(container))

    def stop(self, container: str, grace_s: int) -> None:
        self._short("stopping the container", lambda: self.engine.stop(container, grace_s))

    def kill(self, container: str) -> None:
        self._short("killing the container", lambda: self.engine.kill(container))

    def remove(self, container: str) -> None:
        self._short("removing the container", lambda: self.engine.remove(container))

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        return self._short("listing containers", lambda: self.engine.containers(labels))

    def remove_leftovers(self, label: str, *, images: bool, volume: str | None) -> list[str]:
        return self._within(
            self.limits.image_s,
            "removing what is left",
            lambda: self.engine.remove_leftovers(label, images=images, volume=volume),
        )

    def _short(self, doing: str, call: Callable[[], T]) -> T:
        return self._within(self.limits.call_s, doing, call)

    def _within(self, limit_s: float, doing: str, call: Callable[[], T]) -> T:
        """Raises: SlowError: it took longer; whatever the call raised."""
        answers: queue.SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = (
            queue.SimpleQueue()
        )

        def run() -> None:
            try:
                answers.put((call(), None))
            except BaseException as error:  # noqa: BLE001  it is raised again, by whoever waits
                answers.put((None, error))

        threading.Thread(target=run, name=doing, daemon=True).start()
        try:
            answer, error = answers.get(timeout=limit_s)
        except queue.Empty:
            self.engine.close()
            raise SlowError(f"{doing} took longer than {limit_s:.0f} s") from None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback holds this frame: sockets would wait for the collector
        return answer  # type: ignore[return-value]

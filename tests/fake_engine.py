"""An engine that plays a container's log, and whatever is to happen to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.contract.revision import revision
from harness.contract.vocabulary import SCHEMA_VERSION
from orchestrator.hosts import container, image
from orchestrator.hosts.engine import (
    Container,
    ContainerState,
    EngineError,
    EngineFacts,
    ImageFacts,
    LinkError,
    Output,
    Stream,
)

Playing: TypeAlias = bytes | EngineError
EXITED = ContainerState("exited", 0, False)
RUNNING = ContainerState("running", 0, False)


def ours() -> dict[str, str]:
    """The labels of an image that holds this very harness."""
    return {image.REVISION_LABEL: revision(), container.SCHEMA: str(SCHEMA_VERSION)}


def played(pieces: Iterable[Playing]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, EngineError):
            raise piece
        yield piece


@dataclass
class FakeEngine:
    """Each `logs` plays the next list; an error in it is raised there. `states` are told in turn,
    the last one for ever; `deaf` connections fail. Each `file` plays the next of `copies`. A
    call `refuses` always, or `breaks` a few times."""

    plays: list[list[Playing]] = field(default_factory=list)
    states: list[ContainerState | EngineError] = field(default_factory=lambda: [EXITED])
    deaf: int = 0
    images: dict[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=ours)
    has_nvidia: bool = True
    told: EngineFacts | None = None
    calls: list[str] = field(default_factory=list)
    copies: list[list[Playing]] = field(default_factory=list)
    refuses: dict[str, EngineError] = field(default_factory=dict)
    breaks: dict[str, list[EngineError]] = field(default_factory=dict)
    others: tuple[Container, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    given: bytes = b""

    def connect(self) -> None:
        self._call("connect")
        if self.deaf:
            self.deaf -= 1
            raise LinkError("No route to host")

    def close(self) -> None:
        self.calls.append("close")

    def facts(self) -> EngineFacts:
        return self.told or EngineFacts("fake", "28.0", 8, 64 << 30, has_nvidia=self.has_nvidia)

    def image(self, reference: str) -> ImageFacts | None:
        number = self.images.get(reference)
        return None if number is None else ImageFacts(number, 1 << 30, self.labels)

    def build(self, context: bytes, tag: str, arguments: Mapping[str, str], output: Output) -> str:
        self._call("build")
        output("Step 1/2 : FROM base")
        return self.images.setdefault(tag, f"sha256:built-{len(self.images)}")

    def pull(self, reference: str, output: Output) -> str:
        self._call("pull")
        return self.images.setdefault(reference, "sha256:pulled")

    def export(self, image: str) -> Iterator[bytes]:
        self._call("export")
        yield self.images[image].encode()

    def load(self, content: Iterator[bytes]) -> None:
        self._call("load")
        loaded = b"".join(content).decode()
        self.images[loaded] = loaded

    def create(self, settings: Mapping[str, object]) -> str:
        self._call("create")
        self.settings = settings
        return "container"

    def start(self, container: str, standard_input: bytes) -> None:
        self._call("start")
        self.given = standard_input

    def logs(self, container: str, silence_s: float) -> Iterator[tuple[Stream, bytes]]:
        for piece in played(self.plays.pop(0)):
            stream: Stream = "stderr" if piece.startswith(b"!") else "stdout"
            yield stream, piece

    def file(self, container: str, path: str, silence_s: float) -> Iterator[bytes]:
        self._call("file")
        yield from played(self.copies.pop(0) if self.copies else [])

    def state(self, container: str) -> ContainerState:
        told = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(told, EngineError):
            raise told
        return told

    def stop(self, container: str, grace_s: int) -> None:
        self._call("stop")

    def kill(self, container: str) -> None:
        self._call("kill")

    def remove(self, container: str) -> None:
        self._call("remove")

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        return self.others

    def remove_leftovers(self, label: str, *, images: bool, volume: str | None) -> list[str]:
        self._call("remove_leftovers")
        return []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.breaks.get(name):
            raise self.breaks[name].pop(0)
        if name in self.refuses:
            raise self.refuses[name]

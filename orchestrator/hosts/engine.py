"""What a Docker engine does for us: the seam between hosts and the SDK.

Every method may raise EngineError; none retries. Methods may be called from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from orchestrator.hosts import LogError

Stream: TypeAlias = Literal["stdout", "stderr"]
Output: TypeAlias = Callable[[str], None]
"""Takes what a build or a pull prints, a line at a time."""


class EngineError(LogError):
    """An engine refused something. `status` is its HTTP status, where it gave one."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class LinkError(EngineError):
    """The engine could not be reached, or the connection broke. `lasting`: trying again will not
    help, as with a wrong key."""

    def __init__(self, text: str, *, lasting: bool = False) -> None:
        super().__init__(text)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself and its machine."""

    name: str
    version: str
    cpus: int
    memory_bytes: int
    has_nvidia: bool
    root: str = "/var/lib/docker"  # where it keeps images
    time: str = ""  # its clock, as in RFC 3339
    id: str = ""  # machines made from one snapshot may share it


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image as inspected."""

    id: str
    size_bytes: int
    labels: Mapping[str, str]


class SlowError(LinkError):
    """A call took longer than it may."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container as inspected: `status` is created, running, paused, exited, dead."""

    status: str
    exit_code: int
    out_of_memory: bool
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ("exited", "dead", "removing")


@dataclass(frozen=True, slots=True)
class Container:
    """A container as listed."""

    id: str
    name: str
    labels: Mapping[str, str]
    status: str


class Engine(Protocol):
    """One Docker engine."""

    def connect(self) -> None:
        """Connect, or connect again from nothing. Raises: LinkError, EngineError."""
        ...

    def close(self) -> None: ...

    def facts(self) -> EngineFacts: ...

    def image(self, reference: str) -> ImageFacts | None:
        """An image that is here already, by name or id, else None."""
        ...

    def build(
        self, context: bytes, tag: str, arguments: Mapping[str, str], output: Output
    ) -> str: ...

    def pull(self, reference: str, output: Output) -> str: ...

    def export(self, image: str) -> Iterator[bytes]: ...

    def load(self, content: Iterator[bytes]) -> None: ...

    def create(self, settings: Mapping[str, object]) -> str: ...

    def start(self, container: str, standard_input: bytes) -> None:
        """Start it and give it its standard input, which then ends."""
        ...

    def logs(self, container: str, silence_s: float) -> Iterator[tuple[Stream, bytes]]:
        """Everything that it has printed and prints from now on. Ends when the engine says so.

        Raises: LinkError: the connection broke, or brought nothing for `silence_s`.
        """
        ...

    def file(self, container: str, path: str, silence_s: float) -> Iterator[bytes]:
        """A file in a container that runs, read there by `cat`; nothing if it is not there.

        Raises: LinkError: as for `logs`; EngineError: the container does not run.
        """
        ...

    def state(self, container: str) -> ContainerState: ...

    def stop(self, container: str, grace_s: int) -> None: ...

    def kill(self, container: str) -> None: ...

    def remove(self, container: str) -> None: ...

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """All containers with these labels, whatever their state."""
        ...

    def remove_leftovers(self, label: str, *, images: bool, volume: str | None) -> list[str]:
        """Remove images by label and a volume by name. Returns: what was removed."""
        ...

"""A Docker engine through the Docker SDK, which this module and its connection alone import.

What the SDK and requests raise leaves as EngineError or LinkError.
"""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Iterator, Mapping
from typing import Final

from docker.errors import ImageNotFound, NotFound

from orchestrator.hosts.answers import demultiplex, ignore, watch
from orchestrator.hosts.docker_link import DockerLink
from orchestrator.hosts.engine import (
    Container,
    ContainerState,
    EngineFacts,
    ImageFacts,
    LinkError,
    Output,
    Stream,
)
from orchestrator.hosts.time_limits import LIMITS, Limits, limited
from orchestrator.inventory.addresses import Address

# Silence while an image is built, pulled or loaded: installing torch prints nothing for minutes.
IMAGE_SILENCE_S: Final = 1200
# A plan may carry a picture of 10 MB over a slow line; then the engine takes a moment over it.
_INPUT_S: Final = 600
_PASS_ON_S: Final = 10
_CHUNK_BYTES: Final = 1 << 16


class DockerEngine:
    """One engine, by whatever way its address says, within limits of time; only following a log, or
    reading a file, may take as long as there is something in it, because the harness itself has a
    deadline."""

    def __init__(self, address: Address, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._link = DockerLink(address)

    @limited("connecting")
    def connect(self) -> None:
        self._link.connect()

    def close(self) -> None:
        self._link.close()

    @limited("asking the engine about itself")
    def facts(self) -> EngineFacts:
        with self._link.translated():
            info = self._link.sdk().info()
        return EngineFacts(
            name=str(info.get("Name", "")),
            version=str(info.get("ServerVersion", "")),
            cpus=int(info.get("NCPU", 1)),
            memory_bytes=int(info.get("MemTotal", 0)),
            has_nvidia="nvidia" in (info.get("Runtimes") or {}),
            id=str(info.get("ID", "")),
            root=str(info.get("DockerRootDir", "")),
            time=str(info.get("SystemTime", "")),
        )

    @limited("asking for the image")
    def image(self, reference: str) -> ImageFacts | None:
        return self._image(reference)

    def _image(self, reference: str) -> ImageFacts | None:
        with self._link.translated():
            try:
                attributes = self._link.api().inspect_image(reference)
            except ImageNotFound:
                return None
        labels = (attributes.get("Config") or {}).get("Labels") or {}
        return ImageFacts(str(attributes["Id"]), int(attributes["Size"]), dict(labels))

    @limited("building the image", "image_s")
    def build(self, context: bytes, tag: str, arguments: Mapping[str, str], output: Output) -> str:
        with self._link.translated():
            steps = self._link.api().build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                # The host's own network reaches whatever the host reaches: proxies, VPN, DNS.
                network_mode="host",
                decode=True,
                timeout=IMAGE_SILENCE_S,
            )
            watch(steps, output)
        return self._built(tag)

    @limited("pulling the image", "image_s")
    def pull(self, reference: str, output: Output) -> str:
        with self._link.translated():
            steps = self._link.api().pull(reference, stream=True, decode=True)
            watch(steps, output)
        return self._built(reference)

    def _built(self, reference: str) -> str:
        image = self._image(reference)
        if image is None:  # one that shuts down may end its stream politely
            raise LinkError(f"the engine ended without an error, and without image {reference}")
        return image.id

    def export(self, image: str) -> Iterator[bytes]:
        """Whoever loads it has the limit."""
        with self._link.translated():
            yield from self._link.sdk().images.get(image).save(named=True)

    @limited("loading the image", "image_s")
    def load(self, content: Iterator[bytes]) -> None:
        with self._link.translated():
            watch(self._link.api().load_image(content), ignore)

    @limited("making the container")
    def create(self, settings: Mapping[str, object]) -> str:
        with self._link.translated():
            return str(self._link.sdk().containers.create(**settings).id)

    @limited("starting the container", "start_s")
    def start(self, container: str, standard_input: bytes) -> None:
        """Attach first, so that nothing of the input can be lost."""
        with self._link.translated():
            params = {"stdin": 1, "stream": 1}
            pipe = self._link.api().attach_socket(container, params=params)
            # Over a socket the SDK gives the reading half of one; writing needs the whole.
            connection: socket.socket = getattr(pipe, "_sock", pipe)
            try:
                self._link.api().start(container)
                connection.settimeout(_INPUT_S)
                connection.sendall(standard_input)
                # Closing while the engine still copies could throw the rest away.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(_PASS_ON_S)
                    while connection.recv(4096):
                        pass
            finally:
                for each in (getattr(pipe, "_response", pipe), pipe, connection):
                    each.close()

    def logs(self, container: str, silence_s: float) -> Iterator[tuple[Stream, bytes]]:
        options = "follow=1&stdout=1&stderr=1"
        with self._link.streamed(
            "GET", f"containers/{container}/logs?{options}", silence_s
        ) as answer:
            yield from demultiplex(answer.iter_content(None))

    def file(self, container: str, path: str, silence_s: float) -> Iterator[bytes]:
        with self._link.translated():
            made = self._link.api().exec_create(container, ["cat", path])["Id"]
        begin: dict[str, object] = {"Detach": False, "Tty": False}
        with self._link.streamed("POST", f"exec/{made}/start", silence_s, begin) as answer:
            for stream, chunk in demultiplex(answer.iter_content(_CHUNK_BYTES)):
                if stream != "stdout":  # cat complains: there is no such file
                    return
                yield chunk

    @limited("asking for the container")
    def state(self, container: str) -> ContainerState:
        with self._link.translated():
            state = self._link.api().inspect_container(container)["State"]
        return ContainerState(
            status=str(state["Status"]),
            exit_code=int(state["ExitCode"]),
            out_of_memory=bool(state["OOMKilled"]),
            error=str(state.get("Error", "")),
        )

    @limited("stopping the container")
    def stop(self, container: str, grace_s: int) -> None:
        with self._link.translated(), contextlib.suppress(NotFound):
            self._link.api().stop(container, timeout=grace_s)

    @limited("killing the container")
    def kill(self, container: str) -> None:
        with self._link.translated(), contextlib.suppress(NotFound):
            self._link.api().kill(container)

    @limited("removing the container")
    def remove(self, container: str) -> None:
        with self._link.translated(), contextlib.suppress(NotFound):
            self._link.api().remove_container(container, force=True)

    @limited("listing containers")
    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
        with self._link.translated():
            found = self._link.api().containers(all=True, filters={"label": wanted})
        return tuple(
            Container(
                id=str(one["Id"]),
                name=str(one["Names"][0]).lstrip("/"),
                labels=dict(one["Labels"]),
                status=str(one["State"]),
            )
            for one in found
        )

    @limited("removing what is left", "image_s")
    def remove_leftovers(self, label: str, *, images: bool, volume: str | None) -> list[str]:
        removed = []
        with self._link.translated():
            if images:
                for image in self._link.sdk().images.list(filters={"label": label}):
                    self._link.sdk().images.remove(image.id, force=True)
                    removed.append(f"image {(image.tags or [image.short_id])[0]}")
            if volume is not None:
                with contextlib.suppress(NotFound):
                    self._link.api().remove_volume(volume)
                    removed.append(f"volume {volume}")
        return removed

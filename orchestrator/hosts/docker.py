"""A Docker engine through the Docker SDK: the only module that imports it.

What the SDK and requests raise leaves as EngineError or LinkError. Log streams are read through the
SDK's HTTP session directly: its own `logs(stream=True)` ends without an error when the connection
is lost, and waits for ever on a link that is down.
"""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import docker
import requests
import urllib3
from docker.errors import (
    APIError,
    DockerException,
    ImageNotFound,
    NotFound,
    StreamParseError,
)
from docker.tls import TLSConfig

from orchestrator.hosts import reach
from orchestrator.hosts.answers import (
    BROKEN_OFF,
    OLDEST_API,
    STRANGER,
    common_api,
    demultiplex,
    ignore,
    innermost,
    message,
    no_http,
    watch,
)
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
from orchestrator.hosts.tunnel import Tunnel
from orchestrator.inventory.addresses import Address

CALL_S: Final = 30
# Silence while an image is built, pulled or loaded: installing torch prints nothing for minutes.
IMAGE_SILENCE_S: Final = 1200
# A plan may carry a picture of 10 MB over a slow line; then the engine takes a moment over it.
_INPUT_S: Final = 600
_PASS_ON_S: Final = 10
_CHUNK_BYTES: Final = 1 << 16


class DockerEngine:
    """One engine, by whatever way its address says."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tunnel = Tunnel(address) if address.scheme == "ssh" else None
        self._client: docker.DockerClient | None = None

    def connect(self) -> None:
        self.close()
        try:
            self._connect()
        except EngineError:
            self.close()
            raise

    def _connect(self) -> None:
        if self.address.scheme == "unix":
            reach.knock(self.address.path)
        url = f"unix://{self._tunnel.open()}" if self._tunnel else str(self.address)
        tls = self._tls() if self.address.scheme == "tcp" else None
        try:
            self._negotiate(url, tls)
        except LinkError as error:
            # ssh cannot say what is wrong behind its own end; the machine itself can.
            if self._tunnel is None or not self._tunnel.alive:
                raise
            raise LinkError(f"socket: {self._tunnel.probe()}") from error

    def _negotiate(self, url: str, tls: TLSConfig | None) -> None:
        try:
            # Asked first, because a client that negotiates by itself reads REQUESTS_CA_BUNDLE.
            with self._translated(), contextlib.closing(self._new(url, tls, OLDEST_API)) as oldest:
                told: object = oldest.version(api_version=False)
        except LinkError as error:
            if self._tunnel is None and no_http(error):
                raise LinkError(STRANGER, lasting=True) from error
            raise
        with self._translated():
            self._client = self._new(url, tls, common_api(told))

    def _new(self, url: str, tls: TLSConfig | None, version: str) -> docker.DockerClient:
        client = docker.DockerClient(url, version=version, timeout=CALL_S, tls=tls or False)
        client.api.trust_env = False
        return client

    def _tls(self) -> TLSConfig:
        ca, cert, key = map(str, reach.certificates(self.address.certificates))
        return TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True)

    def close(self) -> None:
        client, self._client = self._client, None  # another thread may close it, too
        if client is not None:
            client.close()
        if self._tunnel is not None:
            self._tunnel.close()

    def facts(self) -> EngineFacts:
        with self._translated():
            info = self._sdk().info()
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

    def image(self, reference: str) -> ImageFacts | None:
        """An image that is here already, else None."""
        with self._translated():
            try:
                attributes = self._api().inspect_image(reference)
            except ImageNotFound:
                return None
        labels = (attributes.get("Config") or {}).get("Labels") or {}
        return ImageFacts(str(attributes["Id"]), int(attributes["Size"]), dict(labels))

    def build(self, context: bytes, tag: str, arguments: Mapping[str, str], output: Output) -> str:
        with self._translated():
            steps = self._api().build(
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

    def pull(self, reference: str, output: Output) -> str:
        with self._translated():
            steps = self._api().pull(reference, stream=True, decode=True)
            watch(steps, output)
        return self._built(reference)

    def _built(self, reference: str) -> str:
        image = self.image(reference)
        if image is None:  # one that shuts down may end its stream politely
            raise LinkError(f"the engine ended without an error, and without image {reference}")
        return image.id

    def export(self, image: str) -> Iterator[bytes]:
        with self._translated():
            yield from self._sdk().images.get(image).save(named=True)

    def load(self, content: Iterator[bytes]) -> None:
        with self._translated():
            watch(self._api().load_image(content), ignore)

    def create(self, settings: Mapping[str, object]) -> str:
        with self._translated():
            return str(self._sdk().containers.create(**settings).id)

    def start(self, container: str, standard_input: bytes) -> None:
        """Attach first, so that nothing of the input can be lost."""
        with self._translated():
            params = {"stdin": 1, "stream": 1}
            pipe = self._api().attach_socket(container, params=params)
            # Over a socket the SDK gives the reading half of one; writing needs the whole.
            connection: socket.socket = getattr(pipe, "_sock", pipe)
            try:
                self._api().start(container)
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
        with self._streamed("GET", f"containers/{container}/logs?{options}", silence_s) as answer:
            yield from demultiplex(answer.iter_content(None))

    def file(self, container: str, path: str, silence_s: float) -> Iterator[bytes]:
        with self._translated():
            made = self._api().exec_create(container, ["cat", path])["Id"]
        begin: dict[str, object] = {"Detach": False, "Tty": False}
        with self._streamed("POST", f"exec/{made}/start", silence_s, begin) as answer:
            for stream, chunk in demultiplex(answer.iter_content(_CHUNK_BYTES)):
                if stream != "stdout":  # cat complains: there is no such file
                    return
                yield chunk

    def state(self, container: str) -> ContainerState:
        with self._translated():
            state = self._api().inspect_container(container)["State"]
        return ContainerState(
            status=str(state["Status"]),
            exit_code=int(state["ExitCode"]),
            out_of_memory=bool(state["OOMKilled"]),
            error=str(state.get("Error", "")),
        )

    def stop(self, container: str, grace_s: int) -> None:
        with self._translated(), contextlib.suppress(NotFound):
            self._api().stop(container, timeout=grace_s)

    def kill(self, container: str) -> None:
        with self._translated(), contextlib.suppress(NotFound):
            self._api().kill(container)

    def remove(self, container: str) -> None:
        with self._translated(), contextlib.suppress(NotFound):
            self._api().remove_container(container, force=True)

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
        with self._translated():
            found = self._api().containers(all=True, filters={"label": wanted})
        return tuple(
            Container(
                id=str(one["Id"]),
                name=str(one["Names"][0]).lstrip("/"),
                labels=dict(one["Labels"]),
                status=str(one["State"]),
            )
            for one in found
        )

    def remove_leftovers(self, label: str, *, images: bool, volume: str | None) -> list[str]:
        removed = []
        with self._translated():
            if images:
                for image in self._sdk().images.list(filters={"label": label}):
                    self._sdk().images.remove(image.id, force=True)
                    removed.append(f"image {(image.tags or [image.short_id])[0]}")
            if volume is not None:
                with contextlib.suppress(NotFound):
                    self._api().remove_volume(volume)
                    removed.append(f"volume {volume}")
        return removed

    @contextmanager
    def _streamed(
        self, method: str, path: str, silence_s: float, body: Mapping[str, object] | None = None
    ) -> Iterator[requests.Response]:
        """An answer that is still coming. The SDK's own streams know no limit of silence."""
        api = self._api()
        with self._translated():
            answer = api.request(
                method,
                f"{api.base_url}/v{api.api_version}/{path}",
                json=body,
                stream=True,
                timeout=(CALL_S, silence_s),
            )
            with contextlib.closing(answer):
                if answer.status_code != requests.codes.ok:
                    raise EngineError(message(answer), answer.status_code)
                yield answer

    def _sdk(self) -> docker.DockerClient:
        client = self._client
        if client is None:
            raise LinkError("not connected")
        if self._tunnel is not None and not self._tunnel.alive:
            raise self._tunnel.failure()
        return client

    def _api(self) -> docker.APIClient:
        return self._sdk().api

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What the SDK raises, as an error of ours; with the cause that only ssh knows."""
        try:
            yield
        except APIError as error:
            raise EngineError(_explanation(error), error.status_code) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken(error) from error
        except StreamParseError as error:
            raise LinkError(BROKEN_OFF) from error
        except DockerException as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, requests.RequestException | OSError):
                raise self._broken(cause) from error
            raise EngineError(str(error)) from error

    def _broken(self, error: Exception) -> LinkError:
        if self._tunnel is None:
            return LinkError(innermost(error))
        if not self._tunnel.alive:
            return self._tunnel.failure()
        return LinkError(innermost(error))


def _explanation(error: APIError) -> str:
    return str(error.explanation or error)

"""The connection to a Docker engine through the Docker SDK: made, asked, lost and closed.

Log streams are read through the SDK's HTTP session directly: its own `logs(stream=True)` ends
without an error when the connection is lost, and waits for ever on a link that is down.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, StreamParseError
from docker.tls import TLSConfig

from orchestrator.hosts import reach
from orchestrator.hosts.answers import (
    BROKEN_OFF,
    OLDEST_API,
    STRANGER,
    common_api,
    innermost,
    message,
    no_http,
)
from orchestrator.hosts.engine import EngineError, LinkError
from orchestrator.hosts.tunnel import Tunnel
from orchestrator.inventory.addresses import Address

CALL_S: Final = 30


class DockerLink:
    """A connection to one engine, by whatever way its address says."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tunnel = Tunnel(address) if address.scheme == "ssh" else None
        self._client: docker.DockerClient | None = None

    def connect(self) -> None:
        """Connect, or connect again from nothing. Raises: LinkError, EngineError."""
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
            with self.translated(), contextlib.closing(self._new(url, tls, OLDEST_API)) as oldest:
                told: object = oldest.version(api_version=False)
        except LinkError as error:
            if self._tunnel is None and no_http(error):
                raise LinkError(STRANGER, lasting=True) from error
            raise
        with self.translated():
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

    @contextmanager
    def streamed(
        self, method: str, path: str, silence_s: float, body: Mapping[str, object] | None = None
    ) -> Iterator[requests.Response]:
        """An answer that is still coming. The SDK's own streams know no limit of silence."""
        api = self.api()
        with self.translated():
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

    def sdk(self) -> docker.DockerClient:
        """The SDK's client. Raises: LinkError: there is no connection, or none any more."""
        client = self._client
        if client is None:
            raise LinkError("not connected")
        if self._tunnel is not None and not self._tunnel.alive:
            raise self._tunnel.failure()
        return client

    def api(self) -> docker.APIClient:
        """The same, a level below."""
        return self.sdk().api

    @contextmanager
    def translated(self) -> Iterator[None]:
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

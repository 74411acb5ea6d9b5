"""What an engine answers, made readable: its two streams, its progress, its complaints.

A container's output comes in frames: eight bytes, then the payload. Stream number, three zeros,
length as a big-endian number: Docker Engine API, "Attach to a container", stream format.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterable, Iterator
from http.client import (
    BadStatusLine,
    IncompleteRead,
    LineTooLong,
    RemoteDisconnected,
    UnknownProtocol,
)
from typing import Final

import requests

from orchestrator.hosts.engine import EngineError, LinkError, Output, Stream

_HEADER: Final = struct.Struct(">BxxxI")
OLDEST_API: Final = "1.41"  # Docker 20.10
_NEWEST_API: Final = "1.47"
_VERSION: Final = re.compile(r"\d{1,4}(?:\.\d{1,4}){1,3}")
BROKEN_OFF: Final = "its answer broke off"
# What an engine says of work that it gave up because who asked for it is gone, or because it ends.
_GIVEN_UP: Final = "context canceled"
STRANGER: Final = "what answers there is not a Docker engine"
_NO_HTTP: Final = (
    BadStatusLine,
    LineTooLong,
    UnknownProtocol,
    requests.exceptions.InvalidJSONError,
)
_STREAMS: Final[dict[int, Stream]] = {1: "stdout", 2: "stderr"}


def demultiplex(chunks: Iterable[bytes]) -> Iterator[tuple[Stream, bytes]]:
    """Payloads with their stream, however the bytes were cut.

    Raises: LinkError: they are no frames, or end inside one.
    """
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        while len(pending) >= _HEADER.size:
            number, length = _HEADER.unpack_from(pending)
            if number not in _STREAMS:
                raise LinkError("the engine's log stream is garbled")
            end = _HEADER.size + length
            if len(pending) < end:
                break
            yield _STREAMS[number], bytes(pending[_HEADER.size : end])
            del pending[:end]
    if pending:
        raise LinkError("the log stream ended inside a message")


def watch(steps: Iterable[object], output: Output) -> None:
    """Pass on what an engine prints while it works. Raises: EngineError: it failed; LinkError: it
    gave up."""
    last: list[str] = []
    for step in steps:
        if not isinstance(step, dict):
            raise LinkError(STRANGER, lasting=True)
        if "error" in step:
            said = str(step["error"]).strip()
            if said.endswith(_GIVEN_UP):
                raise LinkError(f"the engine gave up ({said})")
            raise EngineError(" | ".join([*last[-3:], said]))
        text = str(step.get("stream") or step.get("status") or "").rstrip()
        for line in text.splitlines():
            last.append(line)
            output(line)


def ignore(line: str) -> None:
    """An image's loading says nothing of interest."""


def message(response: requests.Response) -> str:
    """What an engine says with an error status."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(response.json()["message"])
    return f"HTTP status {response.status_code}"


def innermost(error: BaseException) -> str:
    """The operating system's words, which SDK, requests and urllib3 each wrap once more."""
    seen = str(error)
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
        if isinstance(error, IncompleteRead):
            return BROKEN_OFF
        if isinstance(error, OSError) and error.strerror:
            seen = error.strerror
    return seen


def no_http(error: BaseException) -> bool:
    """Whether something answered, but not as a web server does."""
    seen: BaseException | None = error
    while seen is not None:
        # One that is just shutting down hangs up without a word.
        if isinstance(seen, _NO_HTTP) and not isinstance(seen, RemoteDisconnected):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def common_api(told: object) -> str:
    """The newest version of the API that an engine and this program speak.

    Args:
        told: the engine's answer to `GET /version`, whatever it is.
    Raises: EngineError: it is too old; LinkError: it is none.
    """
    if not isinstance(told, dict):
        raise LinkError(STRANGER, lasting=True)
    newest, engine = told.get("ApiVersion"), told.get("Version")
    if not isinstance(newest, str) or not _VERSION.fullmatch(newest):
        raise LinkError(STRANGER, lasting=True)
    if _numbers(newest) < _numbers(OLDEST_API):
        raise EngineError(f"Docker {engine} with API {newest} is too old")
    return min(newest, _NEWEST_API, key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))

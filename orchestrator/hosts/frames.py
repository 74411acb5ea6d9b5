"""The frames in which an engine sends a container's two streams over one connection (pure).

Eight bytes, then the payload: stream number, three zeros, length as a big-endian number. Docker
Engine API, "Attach to a container", stream format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from orchestrator.hosts.engine import LinkError, Stream

_HEADER: Final = struct.Struct(">BxxxI")
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

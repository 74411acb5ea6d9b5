from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.hosts.answers import demultiplex, watch
from orchestrator.hosts.engine import EngineError, LinkError


def frame(number: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxI", number, len(payload)) + payload


def cut(content: bytes, places: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    for start, end in itertools.pairwise(edges):
        yield content[start:end]


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=8),
    st.lists(st.integers(min_value=0), max_size=6),
)
def test_both_streams_survive_any_cutting(
    messages: list[tuple[int, bytes]], places: list[int]
) -> None:
    content = b"".join(frame(number, payload) for number, payload in messages)
    got = list(demultiplex(cut(content, places)))
    for number, stream in ((1, "stdout"), (2, "stderr")):
        sent = b"".join(payload for n, payload in messages if n == number)
        assert b"".join(payload for name, payload in got if name == stream) == sent


@pytest.mark.parametrize("content", [frame(1, b"abc")[:-1], b"\x01\x00", b"HTTP/1.1 500"])
def test_what_is_cut_or_no_frame_counts_as_a_broken_link(content: bytes) -> None:
    with pytest.raises(LinkError):
        list(demultiplex([content]))


def test_a_failed_build_says_what_it_printed_last() -> None:
    printed: list[str] = []
    steps = [{"stream": "Step 1/2 : RUN pip\n"}, {"stream": "no such package\n"}, {"error": "1"}]
    with pytest.raises(EngineError, match="no such package"):
        watch(steps, printed.append)
    assert printed == ["Step 1/2 : RUN pip", "no such package"]

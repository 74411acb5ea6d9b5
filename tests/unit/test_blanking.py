from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.hosts.blanking import Blanking

SECRET = b"hf_hunter2hunter2"


def blanked(*chunks: bytes, secret: bytes = SECRET) -> bytes:
    blanking = Blanking(secret)
    return b"".join(map(blanking.blanked, chunks)) + blanking.rest()


@pytest.mark.parametrize("cut", range(len(SECRET) + 1))
def test_a_secret_is_blanked_wherever_the_stream_is_cut(cut: int) -> None:
    assert blanked(b"a " + SECRET[:cut], SECRET[cut:] + b" b") == b"a *** b"


@given(st.lists(st.sampled_from([SECRET, b"hf_", b"hunter2", b"x", b"", SECRET[:9], SECRET[9:]])))
def test_cutting_changes_nothing(parts: list[bytes]) -> None:
    assert blanked(*parts) == b"".join(parts).replace(SECRET, b"***")


@pytest.mark.parametrize("secret", [b"", b"a", b"hunter2"])
def test_what_is_too_short_to_be_a_secret_is_not_blanked(secret: bytes) -> None:
    assert blanked(b"a banana", secret=secret) == b"a banana"

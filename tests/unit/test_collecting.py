from __future__ import annotations

import contextlib
import gc

import pytest

from orchestrator.compare import collecting


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_pauses_and_is_then_as_it_was_even_after_an_error(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        with contextlib.suppress(OSError), collecting.paused():
            assert not gc.isenabled()
            raise OSError
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_one_who_pauses_within_a_pause_does_not_end_it() -> None:
    with collecting.paused():
        with collecting.paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()

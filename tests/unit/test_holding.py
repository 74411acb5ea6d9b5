"""A lock file: one holder at a time, and nothing left."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from orchestrator.records import holding
from orchestrator.records.holding import TakenError


def test_what_is_held_cannot_be_taken_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holding.held(path), pytest.raises(TakenError), holding.held(path):
        pytest.fail("held twice")
    assert list(tmp_path.iterdir()) == []
    with holding.held(path):
        assert path.exists()


def test_a_lock_that_a_dead_process_left_is_taken(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.touch()
    with holding.held(path):
        pass
    assert not path.exists()


def test_a_lock_that_a_dying_process_passed_on_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        heir = os.dup(file.fileno())  # as a process that was just forked has it
    timer = threading.Timer(0.2, os.close, (heir,))
    timer.start()
    with holding.held(path):
        assert path.exists()
    timer.join()

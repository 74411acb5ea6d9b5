"""Two test processes share a machine: one thread each, and what takes longest comes first."""

from __future__ import annotations

import os
import signal

import pytest

# Before anything imports torch; threads that wait for each other spin, and take the other's core.
os.environ |= {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}

# A shell starts its background jobs deaf to Ctrl-C, and so would be all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long test that comes last leaves the other process with nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)

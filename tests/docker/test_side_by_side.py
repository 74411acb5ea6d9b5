"""Hosts measure side by side: together they take no longer than the slowest of them alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import three_hosts
from tests.docker.bed import Fleet


@pytest.mark.slow
def test_three_hosts_take_as_long_as_the_slowest(
    fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)
    found = three_hosts.measure(fleet, tmp_path)
    assert found.ratio <= three_hosts.MAX_RATIO, found

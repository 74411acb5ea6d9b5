"""Hosts measure side by side: together they take no longer than the slowest of them alone."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import pytest

from orchestrator.hosts import image
from orchestrator.hosts.contained import Terms
from tests.docker import stand_in
from tests.docker.bed import Fleet
from tests.docker.trial import STEPS, STREAM, Trial, machine

# How long a replay takes on each: three GPUs of different speed.
PACES_S = {"a100": 2.0, "t4": 3.5, "v100": 2.5}
MAX_RATIO = 1.1


def wall_s(output: Path, names: Sequence[str]) -> float:
    """Measure on hosts, from first connection to last record."""
    run = Trial.new(output, [machine(name) for name in names])
    start_s = perf_counter()
    run.measure(terms=Terms(patience_s=60))
    taken_s = perf_counter() - start_s
    assert [run.records(name) for name in names] == [STREAM] * len(names)
    return taken_s


def test_three_hosts_take_as_long_as_the_slowest(
    fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)
    for name, pace_s in PACES_S.items():
        with contextlib.closing(fleet[name].engine.client()) as client:
            stand_in.load(client, image.recipe({}).tag, STEPS, pace_s=pace_s)
    alone_s = wall_s(tmp_path, ["t4"])
    together_s = wall_s(tmp_path, list(PACES_S))
    with capsys.disabled():
        print(f"\nthree hosts {together_s:.1f} s, the slowest alone {alone_s:.1f} s: "
              f"{together_s / alone_s:.2f}")  # fmt: skip
    assert alone_s >= len(STREAM.splitlines()) * PACES_S["t4"]
    assert together_s <= MAX_RATIO * alone_s

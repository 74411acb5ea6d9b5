from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks import case_start
from benchmarks.ledger import Ledger


@dataclass
class Starter:
    """Starts nothing; what it was asked for is in `asked`."""

    policy: str
    folder: Path
    asked: ClassVar[list[str]] = []
    broken: ClassVar[str] = ""

    def look(self) -> dict[str, object]:
        self.asked.append(f"{self.policy} looks")
        return {"error": "no CUDA after a fork"} if self.policy == self.broken else {}

    def run(self, mode: str) -> dict[str, object]:
        self.asked.append(f"{self.policy} {mode}")
        return {"start_up_s": 0.1 if self.policy == "fork" else 5.0}


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> type[Starter]:
    monkeypatch.setattr(case_start, "Starter", Starter)
    monkeypatch.setattr(Starter, "asked", [])
    monkeypatch.setattr(Starter, "broken", "")
    return Starter


def measured(folder: Path, left_s: float = 1000) -> Ledger:
    ledger, turns = Ledger(folder / "starts.jsonl"), case_start._turns(2, compiled=True)
    case_start.measure(ledger, folder, turns, time.monotonic() + left_s)
    return ledger


def test_both_kinds_take_turns_which_turn_round(tmp_path: Path, starter: type[Starter]) -> None:
    told = case_start.describe(measured(tmp_path))
    assert starter.asked == [
        "fork looks",
        "spawn looks",
        "fork eager",
        "spawn eager",
        "spawn eager",
        "fork eager",
        "fork default",
    ]
    assert "spawned / forked: 50.0" in told
    assert "0.100 s of start-up per case (0.100 to 0.100 s, 3 cases)" in told


def test_what_was_started_is_not_started_again(tmp_path: Path, starter: type[Starter]) -> None:
    ledger = Ledger(tmp_path / "starts.jsonl")
    for name in ("fork: first look", "spawn: first look", "fork 1"):
        ledger.keep(name, policy=name[:4])
    ledger.run_out("spawn 1", 900)
    measured(tmp_path, left_s=950)
    assert starter.asked == ["spawn eager", "fork eager", "fork default"], "no more time for one"


def test_where_forking_fails_only_spawned_ones_are_started(
    tmp_path: Path, starter: type[Starter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "broken", "fork")
    told = case_start.describe(measured(tmp_path))
    assert starter.asked == ["fork looks", "spawn looks", "spawn eager", "spawn eager"]
    assert "fork: first look: no CUDA after a fork" in told
    assert "spawned / forked" not in told

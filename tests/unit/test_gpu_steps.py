from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks import gpu_commands, gpu_steps, processes
from benchmarks.gpu_commands import Command
from benchmarks.gpu_steps import Step, Walls
from benchmarks.ledger import Ledger


@dataclass
class Slow:
    """A step that needs `needs_s` seconds of a clock that only it moves."""

    name: str
    budget_s: float
    needs_s: float
    clock: list[float]
    turns: list[str] = field(default_factory=list)

    def run(self, until_s: float) -> bool:
        self.turns.append(self.name)
        spent_s = min(self.needs_s, until_s - self.clock[0])
        self.clock[0] += spent_s
        self.needs_s -= spent_s
        return self.needs_s == 0

    def left(self) -> list[str]:
        return ["something"] if self.needs_s else []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_s = [0.0]
    monkeypatch.setattr(gpu_steps.time, "monotonic", lambda: now_s[0])
    return now_s


def test_each_step_has_its_budget_before_any_has_more(tmp_path: Path, clock: list[float]) -> None:
    turns: list[str] = []
    steps: list[Step] = [
        Slow("long", 100, 300, clock, turns),
        Slow("short", 100, 10, clock, turns),
        Slow("last", 0, 50, clock, turns),
    ]
    gpu_steps.take_turns(lambda: steps, Walls(tmp_path), 1000)
    assert turns == ["long", "short", "long", "last"]
    assert clock == [360]
    assert Walls(tmp_path).spent_s() == {"long": 300, "short": 10, "last": 50}


def test_a_budget_is_that_of_all_calls_together(tmp_path: Path, clock: list[float]) -> None:
    turns: list[str] = []
    steps: list[Step] = [Slow("long", 100, 300, clock, turns), Slow("next", 100, 70, clock, turns)]
    for deadline_s in (60, 120):
        gpu_steps.take_turns(lambda: steps, Walls(tmp_path), deadline_s)
    assert turns == ["long", "long", "next"]
    gpu_steps.take_turns(lambda: steps, Walls(tmp_path), 200)
    assert turns[3:] == ["next", "long"], "its budget is spent, so the other one comes first"


def test_nothing_is_begun_after_the_deadline(tmp_path: Path, clock: list[float]) -> None:
    turns: list[str] = []
    step = Slow("long", 100, 30, clock, turns)
    gpu_steps.take_turns(lambda: [step], Walls(tmp_path), 0)
    assert turns == []


# Three things, each of some seconds, whose results are kept as they come; the second one hangs.
COUNTING = """
import math, sys, time
from pathlib import Path
from benchmarks.ledger import Ledger
ledger, left_s = Ledger(Path(sys.argv[-3])), float(sys.argv[-1])
for name, wall_s in (("one", 0), ("two", SECONDS), ("three", 0)):
    if name not in ledger.results() and ledger.may_begin(name, left_s):
        ledger.begin(name)
        time.sleep(wall_s)
        ledger.keep(name)
sys.exit(CODE)
"""


def counting(output: Path, seconds: float = 0, code: int = 0, needs: str = "") -> Command:
    text = COUNTING.replace("SECONDS", str(seconds)).replace("CODE", str(code))
    return Command("counting", 60, ("-c", text), output, needs=needs)


def test_a_process_is_called_until_nothing_is_left(tmp_path: Path) -> None:
    step = counting(tmp_path)
    assert step.left() == ["0 results so far"]
    assert step.run(time.monotonic() + 60)
    assert step.left() == []
    assert list(step.ledger.results()) == ["one", "two", "three"]


def test_what_has_the_whole_time_in_vain_makes_way_for_the_rest(tmp_path: Path) -> None:
    hangs = counting(tmp_path, seconds=600)
    assert not hangs.run(time.monotonic() + 3)
    assert list(hangs.ledger.results()) == ["one"]
    assert 0 < hangs.ledger.in_vain_s()["two"] < 4
    hangs.ledger.run_out("two", 55)
    assert not hangs.run(time.monotonic() + 60), "hardly more than it had: the next one's turn"
    assert list(hangs.ledger.results()) == ["one", "three"]
    assert hangs.left() == ["2 results so far", "two had 55 s and did not end"]
    assert counting(tmp_path).run(time.monotonic() + 600), "with more time it is taken up again"


def test_a_process_that_breaks_in_the_middle_costs_only_what_was_under_way(tmp_path: Path) -> None:
    text = COUNTING.replace("time.sleep(wall_s)", "assert name != 'two'")
    text = text.replace("SECONDS", "0").replace("CODE", "0")
    step = Command("counting", 60, ("-c", text), tmp_path)
    assert step.run(time.monotonic() + 60)
    found = step.ledger.results()
    assert list(found) == ["one", "two", "three"]
    assert "ended with exit code 1" in found["two"]["error"]
    assert "AssertionError" in step.log.read_text()


def test_a_process_that_fails_is_written_down_and_not_repeated(tmp_path: Path) -> None:
    step = counting(tmp_path, code=7)
    assert step.run(time.monotonic() + 60)
    assert step.left() == []
    assert "exit code 7" in (step.ledger.complete() or {})["error"]


def test_what_needs_a_missing_module_is_left_out(tmp_path: Path) -> None:
    step = counting(tmp_path, needs="no_such_module")
    assert step.run(time.monotonic() + 60)
    assert "has no no_such_module" in (step.ledger.complete() or {})["error"]


PARENT = """
import sys, time
from pathlib import Path
from tests.unit.test_gpu_steps import counting
counting(Path(sys.argv[1]), seconds=600).run(time.monotonic() + 600)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_process_ends_with_the_one_that_started_it_and_only_what_was_under_way_is_lost(
    tmp_path: Path, kill: signal.Signals
) -> None:
    ledger = Ledger(tmp_path / "counting.jsonl")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=processes.ROOT, stderr=subprocess.DEVNULL
    ) as parent:
        wait_for(lambda: ledger.lines()[-1:] and ledger.lines()[-1].get("begun") == "two")
        (child,) = children(parent.pid)
        os.kill(parent.pid, kill)
    wait_for(lambda: not Path(f"/proc/{child}").exists())
    assert list(ledger.results()) == ["one"]
    assert counting(tmp_path).run(time.monotonic() + 60), "and the next call goes on"
    assert list(ledger.results()) == ["one", "two", "three"]


def wait_for(happened: Callable[[], object], limit_s: float = 60) -> None:
    end_s = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in told.split()]


TESTS = """
import os
import pytest
pytestmark = pytest.mark.essential
@pytest.mark.slow
def test_takes_long(): pass
def test_passes(): pass
def test_fails(): assert 1 == 2, "one is not two"
@pytest.mark.skip(reason="no such GPU")
def test_is_skipped(): pass
def test_breaks_the_process(): os.kill(os.getpid(), 9)
@pytest.fixture
def broken():
    yield
    raise RuntimeError("broken teardown")
def test_breaks_afterwards(broken): pass
"""


def running(folder: Path) -> Command:
    kept = ("-c", "pyproject.toml", "-p", "benchmarks.kept_tests", "-m", "essential", str(folder))
    return Command("tests", 60, ("-m", "pytest", *kept), folder, gpu_commands.TESTED)


def test_every_test_has_its_result_at_once_and_runs_once(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    step = running(tmp_path)
    assert step.run(time.monotonic() + 120)
    found = {name.partition("::")[2]: each for name, each in step.ledger.results().items()}
    assert {name: each["outcome"] for name, each in found.items()} == {
        "test_takes_long": "passed",
        "test_passes": "passed",
        "test_fails": "failed",
        "test_is_skipped": "skipped",
        "test_breaks_the_process": "failed",
        "test_breaks_afterwards": "failed",
    }
    assert "one is not two" in found["test_fails"]["said"]
    assert "no such GPU" in found["test_is_skipped"]["said"]
    assert "exit code -9" in found["test_breaks_the_process"]["said"]
    assert "broken teardown" in found["test_breaks_afterwards"]["said"]
    begun = [line["begun"] for line in step.ledger.lines() if "begun" in line]
    assert sorted(begun) == sorted(step.ledger.results()), "each once"
    assert begun[-1].endswith("test_takes_long"), "and what takes long comes last"

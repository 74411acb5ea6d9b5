"""A rehearsal of `make gpu-check` on a fake GPU, broken off in every step."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from benchmarks import gpu_records
from benchmarks.ledger import Ledger
from tests.gpu.conftest import Factory

ROOT: Final = Path(__file__).parents[2]
UNFINISHED: Final = 3
STEPS: Final = ("essential", "overhead", "starts", "first")
TESTS: Final = """
import time
import pytest
pytestmark = pytest.mark.essential
def test_at_once(): pass
def test_later(): time.sleep(1)
"""


@dataclass(frozen=True)
class Check:
    """A check of one tiny model, of whose folder the test sees what is on disk."""

    output: Path
    tests: Path
    environment: dict[str, str]

    def start(self) -> subprocess.Popen[str]:
        options = {
            "--output": self.output, "--tests": self.tests, "--only": ",".join(STEPS),
            "--size": "tiny", "--models": "vit-base", "--batch-sizes": "1", "--iterations": "4",
            "--minutes": "4", "--case-processes": "fork",
        }  # fmt: skip
        given = [str(each) for pair in options.items() for each in pair]
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu_check", *given],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def broken_off(self, step: str, by: signal.Signals) -> tuple[int, str]:
        """Exit code and output of a call that gets a signal once a step has its first result."""
        with self.start() as process:
            while not self.kept(step):
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            process.send_signal(by)
            output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def kept(self, step: str) -> list[str]:
        """What a step has results for."""
        if step == "first":
            return list(gpu_records.measurements(self.output / step))
        return list(Ledger(self.output / f"{step}.jsonl").results())


@pytest.mark.slow
def test_a_check_that_is_broken_off_in_every_step_goes_on_and_ends_with_its_table(
    fake_machine: Factory, tmp_path: Path
) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_some.py").write_text(TESTS)
    check = Check(tmp_path / "check", tests, fake_machine().environment())
    killed, _ = check.broken_off("essential", signal.SIGKILL)
    assert killed == -signal.SIGKILL
    for step, by in zip(STEPS[1:], (signal.SIGINT, signal.SIGTERM, signal.SIGTERM), strict=True):
        code, output = check.broken_off(step, by)
        assert code == UNFINISHED, output
        assert "a rehearsal on a fake GPU: no number here is a result" in output
        assert re.search(rf"^  {step} +[\d.]+ s in \d+ turns  not finished$", output, re.MULTILINE)
        assert "go on with\n" in output
    with check.start() as process:
        output, complaints = process.communicate(timeout=300)
    assert complaints == ""
    assert process.returncode == ("FAILS" in output), output
    assert "holds  essential tests pass" in output
    assert "2 passed, 0 failed" in output
    assert "holds  a forked process uses the GPU" in output
    assert "vit-base/default/float32/b1" in output
    assert re.findall(r"^  ([\w-]+) .* done$", output, re.MULTILINE) == [*STEPS]
    for step in STEPS[:3]:
        lines = Ledger(check.output / f"{step}.jsonl").lines()
        begun = [line["begun"] for line in lines if "begun" in line]
        assert len(begun) - len(set(begun)) <= 2, "nothing twice but what was under way"

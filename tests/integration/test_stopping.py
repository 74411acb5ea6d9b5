"""A desk that is asked to end in the middle of a real run: what it keeps and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.test_command_line import ROOT

TINY = (
    "--size", "tiny", "--weights", "random", "--backend", "aot_eager", "--models", "vit-base",
    "--batch-sizes", "1,2,3", "--iterations", "100000", "--progress", "plain",
)  # fmt: skip


def desk(output: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "orchestrate.py", *TINY, "--output", str(output)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not happened():
        if time.monotonic() > deadline_s or process.poll() is not None:
            process.kill()
            raise AssertionError(process.communicate())
        time.sleep(0.1)


def measures(output: Path) -> bool:
    """Whether the first case has begun."""
    return any(b"case_started" in path.read_bytes() for path in output.glob("*/records/*.jsonl"))


def harnesses(desk: int) -> list[int]:
    """Process ids of the harness that a desk has started."""
    threads = Path(f"/proc/{desk}/task").glob("*/children")
    children = {int(child) for path in threads for child in path.read_text().split()}
    return [pid for pid in children if b"harness" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.parametrize(
    ("asked", "early"), [(signal.SIGINT, False), (signal.SIGTERM, True)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_desk_that_is_asked_to_end_writes_its_page_and_says_how_to_go_on(
    tmp_path: Path, asked: signal.Signals, early: bool
) -> None:
    process = desk(tmp_path)
    wait_for(process, lambda: bool(harnesses(process.pid)) if early else measures(tmp_path))
    process.send_signal(asked)
    out, err = process.communicate(timeout=60)
    (folder,) = (path.parent for path in tmp_path.glob("*/run.json"))
    assert process.returncode == 130
    assert "nothing goes on running" in err
    assert f"--resume {folder}" in err
    assert f"Page: {folder / 'report.html'}" in out
    assert json.loads((folder / "run.json").read_text())["interrupted"] == ["local.1.jsonl"]
    assert "Traceback" not in err


def test_a_second_request_ends_it_at_once_and_still_says_how_to_go_on(tmp_path: Path) -> None:
    process = desk(tmp_path)
    wait_for(process, lambda: bool(harnesses(process.pid)))
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err


def test_a_harness_that_is_killed_is_named_with_its_log(tmp_path: Path) -> None:
    process = desk(tmp_path)
    wait_for(process, lambda: measures(tmp_path))
    for pid in harnesses(process.pid):
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was killed by SIGKILL before its end" in err
    assert ".log" in err

"""A desk that is asked to end in the middle of a real run: what it keeps and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.test_command_line import ROOT

TINY = (
    "--size", "tiny", "--weights", "random", "--backend", "aot_eager", "--models", "vit-base",
    "--batch-sizes", "1,2,3", "--iterations", "100000", "--progress", "plain",
)  # fmt: skip


def started(output: Path) -> subprocess.Popen[str]:
    """A desk whose first case has begun."""
    process = subprocess.Popen(
        [sys.executable, "orchestrate.py", *TINY, "--output", str(output)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s and process.poll() is None:
        if any(b"case_started" in path.read_bytes() for path in output.glob("*/records/*.jsonl")):
            return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_desk_that_is_asked_to_end_writes_its_page_and_says_how_to_go_on(
    tmp_path: Path, asked: signal.Signals
) -> None:
    process = started(tmp_path)
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
    process = started(tmp_path)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err


def test_a_harness_that_is_killed_is_named_with_its_log(tmp_path: Path) -> None:
    process = started(tmp_path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    children += [child for path in threads for child in path.read_text().split()]
    for child in set(children):
        if b"harness" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was killed by SIGKILL before its end" in err
    assert ".log" in err

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

from orchestrator.cli.console import Terminal
from orchestrator.fleet.fleet import InterruptedRunError
from orchestrator.run import Line, Report
from tests.integration.replays import new_folder
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
    assert "stopping: this takes 30 s at most" in err
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


# As an import does that Ctrl-C reaches in the middle: Python tells of it as of something else.
BROKEN = """
import os, signal, sys
from orchestrator.cli.exits import guard
{before}
def app():
    try:
        os.kill(os.getpid(), signal.{asked})
    except KeyboardInterrupt:
        raise SyntaxError("cannot load it")
guard(app)
"""


@pytest.mark.parametrize("asked", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("before", ["", "sys.modules['orchestrator.wording'] = None"])
def test_an_import_that_being_asked_to_end_broke_is_no_defect(asked: str, before: str) -> None:
    script = BROKEN.format(asked=asked, before=before)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.startswith("interrupted\n")
    assert "Traceback" not in done.stderr
    Path(done.stderr.split("details: ")[1].split()[0].rstrip(".")).unlink()


class PressesCtrlC:
    """A baseline that takes the page so long that the user presses Ctrl-C once more."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("detached", "why"), [(True, "as asked"), (False, "because they could not be told")]
)
def test_once_more_while_the_page_is_written_still_says_what_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], detached: bool, why: str
) -> None:
    def measure(observer: object) -> None:
        raise InterruptedRunError(("t4",), detached=detached)

    report = Report(tmp_path, PressesCtrlC())  # type: ignore[arg-type]
    folder = new_folder(tmp_path, "t4")
    assert Line(report, Terminal("none")).follow(folder, ["t4"], measure) == 130
    said = capsys.readouterr().err
    assert f"Still measuring, {why}" in said
    assert f"attach {folder.path}" in said

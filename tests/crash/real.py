"""The same with the real command line and the real harness: the desk, the supervisor or the process
of a case is killed with -9 at a moment told by a seed, and the run taken up again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from harness.contract.records import Measurement
from orchestrator.records.rundir import RunFolder

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
TINY: Final = (
    "--hosts", "local", "--models", "vit-base,resnet-50", "--batch-sizes", "1", "--iterations", "6",
    "--quick", "--size", "tiny", "--weights", "random", "--backend", "aot_eager",
    "--progress", "none",
)  # fmt: skip
VICTIMS: Final = ("desk", "supervisor", "case")
_LIMIT_S: Final = 120.0
# From the first record on: loading, three cases, the page.
_WHILE_S: Final = 8.0


def survive(seed: int, output: Path) -> str:
    """Kill, resume, and hold the run against its plan. Returns: what was done, in a few words."""
    chance = random.Random(seed)
    victim, wait_s = VICTIMS[seed % len(VICTIMS)], chance.uniform(0, _WHILE_S)
    desk = _orchestrate("--output", str(output), *TINY)
    _await(lambda: any(output.glob("*/records/*.jsonl")), "no record file")
    time.sleep(wait_s)
    family = _descendants(desk.pid)
    _kill(_of_family(victim, desk.pid, family))
    desk.wait(_LIMIT_S)
    _await(lambda: not any(map(_alive, family)), "a process outlived its desk")
    (path,) = (each for each in output.iterdir() if (each / "run.json").is_file())
    again = _orchestrate("--output", str(output), "--resume", str(path), "--progress", "none")
    assert again.wait(_LIMIT_S) == 0
    require_complete(RunFolder(path))
    return f"seed {seed}: killed the {victim} {wait_s:.1f} s after the first record"


def _orchestrate(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "orchestrate.py", *arguments],
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _descendants(root: int) -> list[int]:
    """All processes below one, parents first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(0), [])
        found += children
        waiting += children
    return found


def _of_family(victim: str, desk: int, family: Sequence[int]) -> int:
    """The process to kill; the desk where the one asked for has ended."""
    if victim == "desk" or not family:
        return desk
    return family[0] if victim == "supervisor" else family[-1]


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _alive(process: int) -> bool:
    """Whether it runs; one that only waits to be asked how it ended does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _await(condition: Callable[[], bool], complaint: str) -> None:
    deadline_s = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s, complaint
        time.sleep(0.05)


def require_complete(folder: RunFolder) -> None:
    planned = sorted(case.case_id for case in folder.plan().attempts())
    measured = sorted(
        record.case_id
        for attempt in folder.attempts("local").values()
        for record in attempt.records
        if isinstance(record, Measurement)
    )
    assert measured == planned, "not every case was measured, and each once"

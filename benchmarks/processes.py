"""Processes that end with the one that started them, however that one ends, or when told."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parent.parent
GRACE_S: Final = 20.0


def run_until(
    until_s: float,
    command: Sequence[str],
    *,
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | int,
    stdin: bytes = b"",
) -> int | None:
    """Run a command in the project's root to its end.

    Args:
        until_s: when it is ended, on the monotonic clock.
    Returns: its exit code; None if it was ended.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bound", str(os.getpid()), *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends that one
    ) as process:
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(stdin)
            return process.wait(max(until_s - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()

"""A file system of its own that is full when a test says so, and the real command line on it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.records.rundir import RunFolder
from tests.crash import real

ROOT: Final = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Disk:
    """A small file system, mounted at a folder."""

    path: Path

    def fill(self, but_bytes: int = 0) -> None:
        """Leave so much room, and no more."""
        (self.path / "other").unlink(missing_ok=True)
        free = os.statvfs(self.path)
        other = free.f_bavail * free.f_frsize - but_bytes
        (self.path / "other").write_bytes(b"\0" * other)

    def grow(self) -> None:
        """Make room for everything."""
        subprocess.run(["mount", "-o", "remount,size=16m", self.path], check=True)


class NoDiskError(Exception):
    """Nothing can be mounted here."""


@contextlib.contextmanager
def mounted(path: Path, size: str) -> Iterator[Disk]:
    """Raises: NoDiskError, without root or where mounting is not permitted."""
    if os.geteuid() != 0:
        raise NoDiskError("only root can mount a small file system")
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "desk", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NoDiskError(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", path], check=True)


def orchestrate(*arguments: object) -> tuple[int, str]:
    """The real command line: its exit code, and what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "orchestrate.py", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def survive(output: Path) -> str:
    """A real run on a disk that is full while records are written, and again for the page.

    Returns: what was said, in a few words. Raises: NoDiskError.
    """
    with mounted(output / "disk", "1m") as disk:
        disk.fill(but_bytes=16 << 10)
        code, said = orchestrate("--output", disk.path, *real.TINY)
        assert code == 1, said
        assert re.search("No space left.*needs about.*--resume", said, re.DOTALL), said
        (path,) = (each for each in disk.path.iterdir() if (each / "run.json").is_file())
        kept = first_records(path)
        disk.fill(but_bytes=96 << 10)  # for the records of a slow machine; a page takes more
        code, again = orchestrate("--resume", path, "--output", disk.path, "--progress", "none")
        assert code == 1, again
        assert re.search("No space left.*is kept.*orchestrate.py report ", again, re.DOTALL), again
        assert first_records(path).startswith(kept)
        real.require_complete(RunFolder(path))
        disk.grow()
        assert orchestrate("report", path)[0] == 0
        assert (path / "report.html").is_file()
    return "a full disk stopped the records, then the page: the run was gone on with, and complete"


def first_records(run: Path) -> bytes:
    """The whole lines of the first file of records."""
    content = (run / "records" / "local.1.jsonl").read_bytes()
    return content[: content.rfind(b"\n") + 1]

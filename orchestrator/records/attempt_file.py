"""The open record file of one attempt at a host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from orchestrator.errors import StorageError


@dataclass(frozen=True, slots=True)
class AttemptFile:
    """An open record file of one host; a record is on disk when `append` returns.

    `next_seq` is the number of the first record that the file lacked when it was opened, and
    `bytes_before` what it held then; `run` is how a command names its run, `job` a pool's job.
    """

    name: str
    log: Path
    file: FileIO
    run_id: str = ""
    next_seq: int = 0
    bytes_before: int = 0
    plan_id: str = ""
    run: str = "RUN"
    job: str = ""

    def append(self, line: bytes) -> None:
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self.file.write(rest) :]
            os.fsync(self.file.fileno())
        except OSError as error:
            raise StorageError(
                f"cannot write {self.file.name}: {error.strerror}",
                "What was written before is kept. Make room, then go on:  "
                f"python orchestrate.py --resume {self.run}",
            ) from error

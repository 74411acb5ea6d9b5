"""Records as JSON lines on a pipe that nobody else can write to.

Libraries print. So the original standard output is kept under a private descriptor, and descriptor
1 is pointed at standard error: whatever else is printed, by Python or by C, lands there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import Final

from harness.contract.records import Record, write_line

_SHORTEST_SECRET: Final = 8  # characters


def claim_stdout() -> int:
    """Keep standard output for records alone; give the private descriptor."""
    private = os.dup(1)
    os.set_inheritable(private, False)
    sys.stdout.flush()
    os.dup2(2, 1)
    return private


class Channel:
    """Numbers records and writes each as one whole line. A secret is blanked wherever it occurs,
    unless it is too short to be one: "a" would blank every record. With `copy` each line is also
    kept in the file of that descriptor, for a reader who finds that the pipe lost some: complete
    from its first line to the last that there was room for.

    Raises BrokenPipeError from `send` when the reader has gone.
    """

    def __init__(self, descriptor: int, secret: str = "", copy: int | None = None) -> None:
        self._descriptor = descriptor
        self._copy = copy
        self._secret = secret if len(secret) >= _SHORTEST_SECRET else ""
        self._lock = threading.Lock()
        self._start_s = time.monotonic()
        self._next_seq = 0

    def send(self, record: Record) -> None:
        with self._lock:
            stamp = {"seq": self._next_seq, "elapsed_s": time.monotonic() - self._start_s}
            line = write_line(record.model_copy(update=stamp))
            blanked = (line.replace(self._secret, "***") if self._secret else line).encode()
            self._keep(blanked)
            self._write(blanked)
            self._next_seq += 1

    def _keep(self, line: bytes) -> None:
        """A copy that is full ends, because one with a hole would be no copy."""
        if self._copy is None:
            return
        with contextlib.suppress(OSError):
            if os.write(self._copy, line) == len(line):
                return
        self._copy = None

    def _write(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[os.write(self._descriptor, view) :]

"""The log of a job -> the records in it, and the rest (pure).

A cluster keeps both streams of a job in one log, and adds lines of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

# How every record begins; a progress bar may stand before it on its line.
_RECORD: Final = re.compile(rb'\{"seq":(\d{1,18}),')
# As in orchestrator.records.stream: what is longer is an attack.
_MAX_LINE_BYTES: Final = 64 << 20


@dataclass(slots=True)
class JobLines:
    """Sorts what comes into records and other text, a line at a time.

    A log is played from its first byte each time: what was given before is given no more.
    """

    other: bytearray = field(default_factory=bytearray)
    _pending: bytearray = field(default_factory=bytearray)
    _next_seq: int = 0
    _lines: int = 0
    _kept: int = 0

    def restart(self) -> None:
        """The log is played from its start again."""
        self._pending.clear()
        self._lines = 0

    def forget(self) -> None:
        """Who takes the records begins anew, too."""
        self._next_seq = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the new lines with records that this chunk completes; the rest goes to `other`."""
        self._pending += chunk
        end = self._pending.rfind(b"\n", len(self._pending) - len(chunk)) + 1
        if end <= 0:
            if len(self._pending) > _MAX_LINE_BYTES:
                self._pending.clear()
            return
        lines = bytes(self._pending[:end])
        del self._pending[:end]
        # At line breaks alone: a progress bar returns to the start of its line with another mark.
        for line in lines.split(b"\n")[:-1]:
            yield from self._sort(line + b"\n")

    def _sort(self, line: bytes) -> Iterator[bytes]:
        record = _RECORD.search(line)
        self._keep(line if record is None else line[: record.start()])
        if record is not None and int(record[1]) >= self._next_seq:
            self._next_seq = int(record[1]) + 1
            yield line[record.start() :]

    def _keep(self, text: bytes) -> None:
        self._lines += 1
        if self._lines > self._kept:
            self._kept = self._lines
            self.other += text

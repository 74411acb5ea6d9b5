"""What a host prints beside its records, kept in a file of the run: a secret blanked, and no more
of it than the disk of whoever runs this can bear."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.hosts.blanking import Blanking

MAX_LOG_BYTES: Final = 64 << 20
_LOG_CUT: Final = b"\n(what this host printed from here on was not kept)\n"


@dataclass(slots=True)
class HostLog:
    """Appends to a file; one that cannot be written must not end a run for which there is no room.

    `written` counts the bytes that were given to it, kept or not.
    """

    path: Path
    secret: bytes = b""
    written: int = 0
    _blanking: Blanking = field(init=False)

    def __post_init__(self) -> None:
        self._blanking = Blanking(self.secret)

    def write(self, text: bytes) -> None:
        room = MAX_LOG_BYTES - self.written
        self.written += len(text)
        if room <= 0:
            return
        if len(text) > room:
            text = text[:room] + _LOG_CUT
        self._append(self._blanking.blanked(text))

    def end(self) -> None:
        """Nothing more comes."""
        self._append(self._blanking.rest())

    def _append(self, text: bytes) -> None:
        if text:
            with contextlib.suppress(OSError), self.path.open("ab") as file:
                file.write(text)

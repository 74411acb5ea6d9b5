"""Being the only process that writes somewhere: a lock that a dead process cannot leave behind."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Final

_TAKEN: Final = (errno.EWOULDBLOCK, errno.EACCES)
# A process that is killed while it starts another one leaves a copy of the lock to that one, until
# that has become what it is to be.
_PATIENCE_S: Final = 2.0
_PAUSE_S: Final = 0.05


class TakenError(Exception):
    """Another process holds it."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file, which is removed afterwards. Raises: TakenError; OSError."""
    with _locked(path):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        with path.open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if time.monotonic() > deadline_s:
                    raise TakenError from error
                time.sleep(_PAUSE_S)
                continue
            # Who held it before may have removed the file that was opened here.
            if _still_there(path, file):
                yield
                return


def _still_there(path: Path, file: BufferedWriter) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False

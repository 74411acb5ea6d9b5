"""Folders and files that are whole or not there, whatever happens meanwhile."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Final

from orchestrator.errors import RunError

_CHUNK_BYTES: Final = 1 << 20


def whole_lines_bytes(file: BinaryIO) -> int:
    """The length of a file up to and with its last line break."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _CHUNK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def ensure_folder(path: Path) -> Path:
    """Make a folder unless it is there. Raises: RunError: it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot make the folder {path}: {error.strerror}",
            "Choose another place with --output.",
        ) from error
    return path


def fresh_folder(output: Path, stem: str) -> Path:
    """A new folder of this name, or of this name and the first free number."""
    for number in itertools.count(1):
        path = output / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"cannot make a run folder under {output}: {error.strerror}",
                "Choose another place with --output.",
            ) from error
        return path
    raise AssertionError("unreachable: counting has no end")


def write_atomically(path: Path, text: str) -> None:
    """Through a temporary file beside it: a reader sees the old or the new text, never half."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

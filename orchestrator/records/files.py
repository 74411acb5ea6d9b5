"""Folders and files that are whole or not there, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import shlex
import stat
import tempfile
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from orchestrator.errors import RunError, UnwrittenError

_CHUNK_BYTES: Final = 1 << 20
# Far above what a plan of 100,000 cases takes that brings its picture along.
MOST_BYTES: Final = 128 << 20


def content(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """What a file holds that may come from anybody. Raises: OSError: too much, among others."""
    with regular(path) as file:
        found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes >> 20} MiB")
    return found


def regular(path: Path) -> BinaryIO:
    """Open a regular file to read; a pipe would be waited for, and a device never end.

    Raises: OSError.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is no regular file")


def whole_lines_bytes(file: FileIO) -> int:
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


def refuse_links(*folders: Path) -> None:
    """What is written into these folders is to land there, whoever made them. Raises: RunError."""
    for folder in folders:
        for path in (folder, *(folder.iterdir() if folder.is_dir() else ())):
            if path.is_symlink() or (path.exists() and not (path.is_file() or path.is_dir())):
                raise RunError(
                    f"{path} is a link, or no file, and what is written there would land elsewhere",
                    "Put the file itself there, or remove it.",
                )


def as_pasted(path: Path) -> str:
    """A path as a shell takes it: from the folder that commands are given in, where it is below."""
    try:
        here, whole = Path.cwd(), path.resolve()
    except OSError:  # that folder was removed meanwhile
        return shlex.quote(str(path))
    return shlex.quote(str(whole.relative_to(here) if whole.is_relative_to(here) else whole))


def ensure_folder(path: Path, option: str = "--output") -> Path:
    """Make a folder unless it is there. Raises: RunError: it cannot be made.

    Args:
        option: how a user chose it, and can choose another one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot make the folder {path}: {error.strerror}",
            f"Choose another place with {option}.",
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


def write_whole(path: Path, content: str | bytes, *, follow: bool = True) -> Path:
    """Write a file, whole or not at all; text as UTF-8. Raises: UnwrittenError.

    A link stays a link, and what is no file, such as /dev/stdout, is written to as it is.

    Args:
        follow: whether it does so; where others may have put a link, it is replaced instead.
    """
    encoded = content.encode() if isinstance(content, str) else content
    try:
        if not follow:
            _write_atomically(path, encoded)
        elif path.exists() and not path.is_file():
            with path.open("wb") as device:
                device.write(encoded)
        else:
            _write_atomically(path.resolve(), encoded)
    except OSError as error:
        room = f"Make room, {1 + len(encoded) // 1024} KiB, or choose another place, and try again."
        raise UnwrittenError(f"cannot write {path}: {error.strerror}", room) from error
    return path


def _write_atomically(path: Path, content: bytes) -> None:
    """Through a temporary file beside it: a reader sees the old or the new content, never half.

    The file is locked while it is written, which tells it from what a killed process left."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of `write_whole` whose process was killed over them."""
    for path in folder.glob(".*.*.????????"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()

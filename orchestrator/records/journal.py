"""What became of the jobs of a pool, as kept in its run folder: a line before each is started, one
when a node has it, one at its end.

A desk that dies in between leaves it to the next to find the jobs again and to go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from orchestrator.errors import RunError, StorageError
from orchestrator.records.files import content, ensure_folder

End: TypeAlias = Literal["", "whole", "lost", "broken", "stopped"]
Control: TypeAlias = Literal["", "beside", "alone"]
# Three lines each of 100,000 cases take a fifth of this.
_MOST_BYTES: Final = 256 << 20
_ENDS: Final = ("", "whole", "lost", "broken", "stopped")
_CONTROLS: Final = ("", "beside", "alone")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobNote:
    """One job: the record file that is its own, its id on the cluster, the case that it measures,
    how many times that was tried with it, the node that has it, and how it ended.

    An end is empty until the desk has seen one; `whole` with the harness's own end record, `lost`
    with its node, `broken` by a failure that belongs to the case, `stopped` by the user.
    `again`: the case was tried again afterwards. A `control` measures a case once more, for the
    check that the workers of a pool agree: "beside" while other workers measure it, too, "alone"
    while none measures anything. Its result stands beside that of the case, never for it.
    """

    attempt: str
    job: str
    case_id: str
    number: int
    node: str = ""
    end: End = ""
    why: str = ""
    again: bool = False
    control: Control = ""


def line(note: JobNote) -> bytes:
    return json.dumps(asdict(note)).encode() + b"\n"


def read(lines: Iterable[bytes], former_ids: Mapping[str, str] = _NONE) -> dict[str, JobNote]:
    """The last note on each job, by record file; a line that was cut is as good as none.

    Args: former_ids: today's id of a case by the one that it had in notes of an older version.
    """
    notes: dict[str, JobNote] = {}
    for text in lines:
        try:
            note = JobNote(**json.loads(text))
        except (ValueError, TypeError):
            continue
        if note.end in _ENDS and note.control in _CONTROLS:
            case_id = former_ids.get(note.case_id, note.case_id)
            notes[note.attempt] = replace(note, case_id=case_id)
    return notes


def load(path: Path, former_ids: Mapping[str, str] = _NONE) -> dict[str, JobNote]:
    """All notes of a file; none where there is none. Raises: RunError."""
    try:
        lines = content(path, _MOST_BYTES).splitlines() if path.exists() else []
        return read(lines, former_ids)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error


def append(path: Path, note: JobNote) -> None:
    """A note is on disk when this returns. Raises: StorageError."""
    try:
        ensure_folder(path.parent)
        with path.open("ab", buffering=0) as file:
            # A line that a dead desk left unfinished must not spoil the next.
            file.write(b"\n" + line(note))
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}", "Make room, or make the folder writable."
        ) from error

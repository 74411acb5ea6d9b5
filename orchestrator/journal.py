"""What became of the jobs of a pool, as kept in its run folder: a line before each is started, one
when a node has it, one at its end (pure).

A desk that dies in between leaves it to the next to find the jobs again and to go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

End: TypeAlias = Literal["", "whole", "lost", "broken", "stopped"]
_ENDS: Final = ("", "whole", "lost", "broken", "stopped")


@dataclass(frozen=True, slots=True)
class JobNote:
    """One job: the record file that is its own, its id on the cluster, the case that it measures,
    how many times that was tried with it, the node that has it, and how it ended.

    An end is empty until the desk has seen one; `whole` with the harness's own end record, `lost`
    with its node, `broken` by a failure that belongs to the case, `stopped` by the user.
    `again`: the case was tried again afterwards.
    """

    attempt: str
    job: str
    case_id: str
    number: int
    node: str = ""
    end: End = ""
    why: str = ""
    again: bool = False


def line(note: JobNote) -> bytes:
    return json.dumps(asdict(note)).encode() + b"\n"


def read(lines: Iterable[bytes]) -> dict[str, JobNote]:
    """The last note on each job, by record file; a line that was cut is as good as none."""
    notes: dict[str, JobNote] = {}
    for text in lines:
        try:
            note = JobNote(**json.loads(text))
        except (ValueError, TypeError):
            continue
        if note.end in _ENDS:
            notes[note.attempt] = note
    return notes

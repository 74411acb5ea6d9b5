"""Chunks of bytes -> records (pure).

Chunks may end anywhere; a record is one line. What is no record is reported and skipped: one bad
line must not cost the good ones after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from harness.contract import upgrade
from harness.contract.complaints import complaint
from harness.contract.plan import CaseAttempt
from harness.contract.records import Record, read_record, with_ids_of_today
from harness.contract.vocabulary import NewerSchemaError

# A case of 10,000 iterations takes about 1 MB. Beyond this a line is not a record but an attack,
# unless the plan asks for more iterations than such a line can hold.
MAX_LINE_BYTES: Final = 64 << 20


_REFUSED: Final = "refused: "
_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Read:
    """A record, the bytes it came as, line break included, and the number of that line."""

    record: Record
    line: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no record, and why. A result that was refused still tells its case and its
    number, and is worth keeping as `line`."""

    number: int
    why: str
    case_id: str = ""
    seq: int = -1
    line: bytes = b""


@dataclass(slots=True)
class Reader:
    """Takes chunks, gives records; keeps an unfinished line until the rest of it comes.

    `former_ids` are those of cases in a stream of an older version.
    """

    max_line_bytes: int = MAX_LINE_BYTES
    former_ids: Mapping[str, str] = field(default_factory=dict)
    _pending: bytearray = field(default_factory=bytearray)
    _number: int = 0
    _discarding: bool = False

    def feed(self, chunk: bytes) -> Iterator[Read | Unreadable]:
        """Give what has become complete with this chunk.

        Raises: NewerSchemaError: the stream comes from a newer version.
        """
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._keep(chunk[start : end + 1])
            start = end + 1
            yield from self._complete()
        self._keep(chunk[start:])

    def end(self) -> Iterator[Read | Unreadable]:
        """Give what the stream ended on: nothing, or a line that was cut."""
        if self._pending or self._discarding:
            self._number += 1
            yield Unreadable(self._number, "the line is cut: the stream ended inside it")
        self._pending.clear()
        self._discarding = False

    def _keep(self, part: bytes) -> None:
        if self._discarding:
            return
        self._pending += part
        if len(self._pending) > self.max_line_bytes:
            self._pending.clear()
            self._discarding = True

    def _complete(self) -> Iterator[Read | Unreadable]:
        line = bytes(self._pending)
        self._pending.clear()
        self._number += 1
        if self._discarding:
            self._discarding = False
            yield Unreadable(
                self._number, f"the line is longer than {self.max_line_bytes >> 20} MiB"
            )
        elif line.strip():
            yield self._read(line)

    def _read(self, line: bytes) -> Read | Unreadable:
        try:
            record = with_ids_of_today(read_record(line), self.former_ids)
            return Read(record, line, self._number)
        except NewerSchemaError:
            raise
        except ValueError as error:
            found = _refused(self._number, complaint(error), line)
            return replace(found, case_id=self.former_ids.get(found.case_id, found.case_id))


def refusal(why: str) -> bytes:
    """The line that stands for a record which was refused when it came."""
    return json.dumps(f"{_REFUSED}{why}").encode() + b"\n"


def _refused(number: int, why: str, line: bytes) -> Unreadable:
    """A line that is no record, with what a result among such lines still tells."""
    try:
        content = json.loads(upgrade.record(line) or line)
        if isinstance(content, str) and content.startswith(_REFUSED):
            return Unreadable(number, content.removeprefix(_REFUSED)[:_SHOWN])
        attempt = {name: content[name] for name in CaseAttempt.model_fields if name in content}
        case_id = CaseAttempt.model_validate_json(json.dumps(attempt)).case_id
        return Unreadable(number, why, case_id, int(content["seq"]), line)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Unreadable(number, why)

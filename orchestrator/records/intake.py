"""Chunks of bytes from one host -> what may be kept of them, and why the rest may not (pure).

The one way by which records enter, live or from a file: read by `stream`, judged by `admission`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from harness.contract.plan import Plan
from orchestrator.records.admission import REFUSALS_KEPT, Admission, TooMuchError
from orchestrator.records.stream import Read, Reader, Unreadable, refusal


@dataclass(slots=True)
class Intake:
    """Takes the chunks of one stream from its first one, judged by the plan of its host.

    What it refuses comes as Unreadable, whose `line` is empty unless it is worth keeping. Of what
    tells nothing of a planned case only the first few are given.
    """

    plan: Plan
    _admission: Admission = field(init=False)
    _reader: Reader = field(init=False)
    _heard_bytes: int = 0
    _refusals: int = 0

    def __post_init__(self) -> None:
        self._admission = Admission(self.plan)
        self._reader = Reader(self._admission.allowance.line_bytes, self.plan.former_ids)

    def feed(self, chunk: bytes) -> Iterator[Read | Unreadable]:
        """Give what has become complete with this chunk.

        Raises: NewerSchemaError; TooMuchError: this stream is to be read no further.
        """
        self._heard_bytes += len(chunk)
        if self._heard_bytes > self._admission.allowance.stream_bytes:
            most = self._admission.allowance.stream_bytes >> 20
            raise TooMuchError(f"more than {most:,} MiB came, which its plan cannot need")
        for item in self._reader.feed(chunk):
            yield from self._judged(item)

    def end(self) -> Iterator[Read | Unreadable]:
        """Give what the stream ended on: nothing, or a line that was cut."""
        for item in self._reader.end():
            yield from self._judged(item)

    def oddity(self, item: Read) -> str:
        """What is strange about a record that was given; empty where nothing is."""
        return self._admission.oddity(item.record)

    def _judged(self, item: Read | Unreadable) -> Iterator[Read | Unreadable]:
        if isinstance(item, Unreadable):
            yield from self._refused_line(item)
        elif why := self._admission.objection(item.record):
            yield from self._counted(self._objected(item, why))
        else:
            yield item

    def _refused_line(self, item: Unreadable) -> Iterator[Unreadable]:
        """A result of a planned case is told, however many there are: the page says why."""
        if self._admission.concerns(item.case_id, item.seq):
            yield item
        else:
            yield from self._counted(replace(item, case_id="", seq=-1, line=b""))

    def _objected(self, item: Read, why: str) -> Unreadable:
        """Its line is a sentence in the record's place: a later reader, who knows only the whole
        plan of the run and not this host's part, must not come to admit the record itself."""
        seq = item.record.seq
        keep = self._admission.in_order(seq)
        return Unreadable(item.number, why, seq=seq, line=refusal(why) if keep else b"")

    def _counted(self, item: Unreadable) -> Iterator[Unreadable]:
        self._refusals += 1
        if self._refusals < REFUSALS_KEPT:
            yield item
        elif self._refusals == REFUSALS_KEPT:
            yield replace(item, why=f"{item.why}; of further lines like these nothing is told")

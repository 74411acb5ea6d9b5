from __future__ import annotations

import pytest

from harness.contract.records import Heartbeat, write_line
from harness.contract.vocabulary import NewerSchemaError
from orchestrator.records.stream import MAX_LINE_BYTES, Read, Reader, Unreadable
from tests import factories

LINE = write_line(Heartbeat(case_id="a", stage="build")).encode()


def fed(*chunks: bytes) -> list[Read | Unreadable]:
    reader = Reader()
    return [item for chunk in chunks for item in reader.feed(chunk)] + list(reader.end())


@pytest.mark.parametrize("size", [1, 2, 7, len(LINE), len(LINE) + 1, 10_000])
def test_chunks_may_end_anywhere(size: int) -> None:
    text = LINE * 3
    items = fed(*(text[start : start + size] for start in range(0, len(text), size)))
    assert [item.line for item in items if isinstance(item, Read)] == [LINE] * 3


@pytest.mark.parametrize("cut", range(1, len(LINE)))
def test_a_line_cut_at_any_byte_is_reported_and_costs_no_other(cut: int) -> None:
    good, bad = fed(LINE + LINE[:cut])
    assert isinstance(good, Read)
    assert isinstance(bad, Unreadable)
    assert bad.number == 2
    assert "cut" in bad.why


@pytest.mark.parametrize(
    "garbage",
    [b"hello\n", b"{}\n", b"[]\n", b"null\n", b'{"kind":"measurement"}\n', b"\xff\xfe\x00\n",
     b"[" * 100_000 + b"\n", b'{"kind":"heartbeat","case_id":NaN,"stage":null}\n'],
)  # fmt: skip
def test_a_line_that_is_no_record_is_reported_and_costs_no_other(garbage: bytes) -> None:
    first, bad, last = fed(LINE + garbage + LINE)
    assert isinstance(first, Read)
    assert isinstance(last, Read)
    assert isinstance(bad, Unreadable)
    assert bad.number == 2
    assert bad.why


def test_blank_lines_mean_nothing() -> None:
    assert len(fed(b"\n\n" + LINE + b"  \n")) == 1


def test_an_endless_line_is_dropped_without_being_kept() -> None:
    reader = Reader()
    chunk = b"x" * (1 << 20)
    for _ in range((MAX_LINE_BYTES >> 20) + 8):
        assert not list(reader.feed(chunk))
        assert len(reader._pending) <= MAX_LINE_BYTES
    bad, good = list(reader.feed(b"\n" + LINE))
    assert isinstance(bad, Unreadable)
    assert "longer than" in bad.why
    assert isinstance(good, Read)


def test_a_record_of_a_newer_version_says_so_whatever_else_it_holds() -> None:
    line = b'{"kind":"started","schema_version":999,"surprise":[]}\n'
    with pytest.raises(NewerSchemaError, match="update this checkout"):
        list(Reader().feed(line))


def test_a_result_that_is_refused_still_tells_its_case_and_its_number() -> None:
    measured = factories.measurement().model_copy(update={"seq": 3})
    line = write_line(measured).replace('"graphs":1', '"graphs":0').encode()
    (bad,) = fed(line)
    assert isinstance(bad, Unreadable)
    assert bad.why == "measurement: no compiled code ran: no graph was captured"
    assert (bad.case_id, bad.seq, bad.line) == (measured.case_id, 3, line)

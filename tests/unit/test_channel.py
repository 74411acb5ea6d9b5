"""What a harness says, and keeps of it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.channel import Channel
from harness.contract.records import Failure, read_record

BAD = Failure(case_id=None, stage=None, reason="error", message="hunter2hunter2 was refused")


@dataclass
class Line:
    """A channel that says into a pipe and keeps in a file."""

    channel: Channel
    copy: Path
    reader: int

    def said(self) -> bytes:
        return os.read(self.reader, 1 << 16)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    reader, writer = os.pipe()
    path = tmp_path / "copy.jsonl"
    copy = os.open(path, os.O_WRONLY | os.O_CREAT)
    yield Line(Channel(writer, "hunter2hunter2", copy), path, reader)
    for descriptor in (reader, writer, copy):
        os.close(descriptor)


def test_a_copy_holds_what_was_said_and_no_secret(line: Line) -> None:
    line.channel.send(BAD)
    line.channel.send(BAD)
    said = line.said()
    assert line.copy.read_bytes() == said
    assert b"hunter2" not in said
    assert [read_record(each).seq for each in said.splitlines()] == [0, 1]


def test_a_copy_for_which_there_is_no_room_ends_and_what_is_said_goes_on(line: Line) -> None:
    line.channel.send(BAD)
    kept = line.copy.stat().st_size
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kept + 10, limit[1]))
    try:
        line.channel.send(BAD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    line.channel.send(BAD)  # there is room again, but a record is missing
    said = line.said()
    assert [read_record(each).seq for each in said.splitlines()] == [0, 1, 2]
    assert said.startswith(line.copy.read_bytes())
    assert line.copy.stat().st_size == kept + 10

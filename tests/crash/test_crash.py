"""What a crash, a cut or a full disk leaves is read and gone on from; `make crash` does more."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.contract.records import Finished
from orchestrator.cli.cli import app
from orchestrator.cli.console import Terminal
from orchestrator.cli.exits import INTERRUPTED
from orchestrator.cli.progress import NoProgress
from orchestrator.errors import StorageError
from orchestrator.fleet.fleet import InterruptedRunError
from orchestrator.fleet.measuring import Run
from orchestrator.publish import rendering
from orchestrator.records.intake import Intake
from orchestrator.records.rundir import RunFolder
from orchestrator.records.stream import Read
from orchestrator.run import Line, Report
from tests import factories
from tests.crash import disk as disks
from tests.crash import sweep
from tests.crash.disk import Disk
from tests.fake_host import FakeHost, lines

RESNET, VIT = factories.case("resnet-50"), factories.case("vit-base")
PLAN = factories.plan([RESNET, VIT])
FIRST = lines(factories.started([RESNET, VIT]), factories.measurement(RESNET, blocks=2, calls=1))
LAST_TWO = lines(
    *[factories.started([RESNET, VIT])] * 2,
    factories.measurement(VIT, blocks=2, calls=1),
    Finished(plan_id=PLAN.plan_id, measured=2, failed=0),
).split(b"\n", 2)[2]


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_desk_that_is_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, seed: int
) -> None:
    done = sweep.survive(seed, tmp_path)
    assert done.readings > 0


COMPLETE = len(FIRST) + LAST_TWO.index(b"\n") + 1
CUTS = range(len(FIRST), len(FIRST + LAST_TWO) + 1)


def expected(cut: int) -> tuple[int, int]:
    """Records, and remarks, of a file that was cut at a byte of its last two records."""
    return 2 + (cut >= COMPLETE) + (cut == CUTS[-1]), int(cut not in (CUTS[0], COMPLETE, CUTS[-1]))


def test_a_stream_reads_cleanly_wherever_its_last_two_records_are_cut() -> None:
    for cut in CUTS:
        intake = Intake(PLAN)
        items = [*intake.feed((FIRST + LAST_TWO)[:cut]), *intake.end()]
        records = [item for item in items if isinstance(item, Read)]
        assert (len(records), len(items) - len(records)) == expected(cut), cut


def test_so_does_a_record_file_and_what_is_appended_to_it_later(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, PLAN, ["local"], "", sweep.NOW)
    path = folder.path / "records" / "local.1.jsonl"
    for cut in (*CUTS[::97], COMPLETE - 1, COMPLETE, COMPLETE + 1, CUTS[-2], CUTS[-1]):
        path.write_bytes((FIRST + LAST_TWO)[:cut])
        (attempt,) = folder.attempts("local").values()
        assert (len(attempt.records), len(attempt.remarks)) == expected(cut), cut
        with folder.reopened("local.1.jsonl", attempt, PLAN) as file:
            for line in (FIRST + LAST_TWO).splitlines(keepends=True)[file.next_seq :]:
                file.append(line)
        assert path.read_bytes() == FIRST + LAST_TWO


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of its own with room for a part of a run."""
    with contextlib.ExitStack() as stack:
        try:
            disk = stack.enter_context(disks.mounted(tmp_path / "disk", "256k"))
        except disks.NoDiskError as reason:
            pytest.skip(str(reason))
        yield disk


def test_a_full_disk_keeps_what_was_written_says_what_is_needed_and_resuming_finishes(
    small_disk: Disk,
) -> None:
    stream = sweep.stream_of(sweep.PLAN)
    folder = RunFolder.create(small_disk.path, sweep.PLAN, ["local"], "", sweep.NOW)
    small_disk.fill(but_bytes=len(stream) // 2)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        Run.of(folder).measure([FakeHost("local", stream)], NoProgress())
    assert "Host local needs about" in caught.value.advice
    assert f"--resume {folder.path}" in caught.value.advice
    (outcome,) = folder.outcomes()
    before = set(outcome.measurements)
    assert 0 < len(before) < len(sweep.CASES)
    small_disk.grow()
    rest = planned_rest(folder)
    Run.of(folder).measure([FakeHost("local", rest)], NoProgress())
    rendering.render(folder)
    (outcome,) = folder.outcomes()
    assert outcome.measurements.keys() == {case.case_id for case in sweep.PLAN.attempts()}


def test_a_full_disk_leaves_the_page_that_was_there_and_no_half_one(small_disk: Disk) -> None:
    folder = RunFolder.create(small_disk.path, sweep.PLAN, ["local"], "", sweep.NOW)
    (folder.path / "records" / "local.1.jsonl").write_bytes(FIRST)
    (folder.path / "report.html").write_text("as it was")
    small_disk.fill(but_bytes=48 << 10)  # for the tables, not for the page
    said = refused("report", folder.path)
    assert re.search(r"report\.html: No space left on device\nMake room, \d+ KiB,", said)
    assert (folder.path / "report.html").read_text() == "as it was"
    small_disk.fill()
    assert re.search(r"\.svg: No space left", refused("export", folder.path, "--format", "svg"))
    left = {path.name for path in folder.path.rglob("*") if path.is_file()}
    assert left <= {"run.json", "plan.json", "local.1.jsonl", "report.html", "results.csv",
                    "results.json", "results.md"}  # fmt: skip


def test_a_page_without_room_costs_a_run_that_was_measured_neither_advice_nor_its_hosts(
    small_disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(small_disk.path, sweep.PLAN, ["local"], "", sweep.NOW)
    (folder.path / "records" / "local.1.jsonl").write_bytes(FIRST)
    small_disk.fill()
    line = Line(Report(small_disk.path), Terminal("none"))
    with pytest.raises(StorageError, match="No space left on device") as caught:
        line.follow(folder, ["local"], lambda _: None)
    assert "is kept" in caught.value.advice
    assert f"orchestrate.py report {folder.pasted}" in caught.value.advice

    def interrupted(_: object) -> None:
        raise InterruptedRunError(("a100",))

    assert line.follow(folder, ["local"], interrupted) == INTERRUPTED
    said = capsys.readouterr().err
    assert f"orchestrate.py report {folder.pasted}" in said
    assert "Still measuring" in said
    assert f"attach {folder.pasted}" in said


def refused(*arguments: object) -> str:
    """What the command line says when it ends with code 2."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 2, done.output
    return done.output


def planned_rest(folder: RunFolder) -> bytes:
    """What a harness says that is given the plan of a run less what was measured."""
    from orchestrator import planning

    (outcome,) = folder.outcomes()
    return sweep.stream_of(planning.for_resume(folder.plan(), outcome))

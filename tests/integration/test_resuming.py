"""What ends before all is measured, and how it goes on: with hosts that replay a harness."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contract.plan import Plan
from harness.contract.records import CaseStarted, Record
from orchestrator.cli.console import Terminal
from orchestrator.cli.progress import NoProgress
from orchestrator.errors import HangUp, RunError, StillThereError
from orchestrator.fleet.fleet import InterruptedRunError
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import Say, opening
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds.local import LocalMachine
from orchestrator.publish import rendering
from orchestrator.records import reading
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.outcomes import Attempt, Trouble
from orchestrator.records.rundir import RunFolder
from orchestrator.records.runmeta import RunMeta
from orchestrator.run import Line, Report
from tests import factories
from tests.fake_host import FakeHost, FakeSession, lines
from tests.integration.replays import (
    DONE,
    FASTER,
    PLAN,
    RESNET,
    SLOWER,
    STARTED,
    VIT,
    WHOLE,
    Told,
    measured,
    new_folder,
    verdicts,
)

AGAIN = STARTED.model_copy(update={"case_ids": (VIT.case_id,)})
NOISE = factories.case("resnet-50", recipe="eager")


def test_resuming_asks_only_for_what_is_lacking(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", lines(STARTED, FASTER)))
    rest = FakeHost("local", lines(AGAIN, SLOWER, DONE))
    Run.of(folder).measure([rest], NoProgress())
    assert [case.case_id for case in rest.plans[0].attempts()] == [VIT.case_id]
    assert rest.plans[0].plan_id == PLAN.plan_id
    assert verdicts(folder) == ["faster", "slower"]


def test_resuming_tries_a_crash_again_but_not_a_lack_of_memory(tmp_path: Path) -> None:
    stream = lines(STARTED, factories.failure(RESNET, "oom"), factories.failure(VIT, "crash"), DONE)
    folder = measured(tmp_path, FakeHost("local", stream))
    again = FakeHost("local", lines(AGAIN, SLOWER, DONE))
    Run.of(folder).measure([again], NoProgress())
    assert [case.case_id for case in again.plans[0].attempts()] == [VIT.case_id]


def test_records_are_read_once_to_resume_and_once_for_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = measured(tmp_path, FakeHost("local", lines(STARTED, FASTER)))
    reads: list[str] = []
    read = reading.read

    def counted(path: Path, meta: RunMeta, plan: Plan) -> Attempt:
        reads.append(path.name)
        return read(path, meta, plan)

    class Counting(FakeHost):
        def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> FakeSession:
            assert reads == ["local.1.jsonl"], "only what was there had to be read, and once"
            return super().start(plan, attempt, say)

    host = Counting("local", lines(AGAIN, SLOWER, DONE))
    monkeypatch.setattr(reading, "read", counted)
    monkeypatch.setattr(opening, "hosts_for", lambda *_: (host,))
    line = Line(Report(tmp_path), Terminal("none"))
    assert line.resume(folder, [LocalMachine()], ImageSource(), Terms()) == 0
    assert len(host.plans) == 1
    assert reads[1:] == ["local.1.jsonl", "local.2.jsonl"]


def test_the_plan_is_read_once_to_resume_and_once_for_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = measured(tmp_path, FakeHost("local", lines(STARTED, FASTER)))
    reads = plan_reads(monkeypatch)
    Run.of(folder).measure([FakeHost("local", lines(AGAIN, SLOWER, DONE))], NoProgress())
    assert len(reads) == 1
    rendering.render(folder)
    assert len(reads) == 2


def test_a_new_run_does_not_read_the_plan_that_it_just_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = plan_reads(monkeypatch)
    run = Run.new(tmp_path, PLAN, [LocalMachine()], [])
    run.measure([FakeHost("local", WHOLE)], NoProgress())
    assert reads == []
    assert verdicts(run.folder) == ["faster", "slower"]


def plan_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose plan is read from now on, once for each time."""
    reads: list[Path] = []
    read = RunFolder.plan

    def counted(folder: RunFolder) -> Plan:
        reads.append(folder.path)
        return read(folder)

    monkeypatch.setattr(RunFolder, "plan", counted)
    return reads


def test_nobody_else_measures_while_it_is_judged_what_is_left(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", lines(STARTED, FASTER)))
    line = Line(Report(tmp_path), Terminal("none"))
    with folder.held(), pytest.raises(RunError, match="is being followed by another process"):
        line.resume(folder, [LocalMachine()], ImageSource(), Terms())


def test_resuming_a_complete_run_starts_nothing(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    idle, told = FakeHost("local", WHOLE), Told()
    Run.of(folder).measure([idle], told)
    assert idle.plans == []
    assert told.skips == {"local": "complete: nothing is left to measure"}


@pytest.mark.parametrize("ending", ["killed", "interrupted", "lost"])
def test_resuming_what_still_measures_starts_nothing_and_loses_nothing(
    tmp_path: Path, ending: str
) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    folder = measured(tmp_path, FakeHost("t4", lines(STARTED, FASTER, opened)))
    if ending == "interrupted":
        folder.mark_interrupted(["t4.1.jsonl"])
    if ending == "lost":
        folder.mark_trouble("t4.1.jsonl", Trouble('host "t4" was lost'))
    before, told = folder.attempts("t4")["t4.1.jsonl"].records, Told()
    still = StillThereError("t4 still measures", "Follow it", "t4.1.jsonl")
    Run.of(folder).measure([FakeHost("t4", b"", refusal=still)], told)
    assert told.troubles == {}
    assert told.skips == {"t4": "t4 still measures. Follow it"}
    assert {name: one.records for name, one in folder.attempts("t4").items()} == {
        "t4.1.jsonl": before
    }
    assert verdicts(folder) == ["faster", "missing"]
    assert folder.meta().troubles == {}
    assert rendering.exit_code(rendering.render(folder).comparison) == 1


def test_a_run_whose_harnesses_have_not_said_anything_yet_is_no_run_without_a_host(
    tmp_path: Path,
) -> None:
    folder = measured(tmp_path, FakeHost("t4", b""))
    still = StillThereError("t4 still measures", "Follow it", "t4.1.jsonl")
    Run.of(folder).measure([FakeHost("t4", b"", refusal=still)], NoProgress())
    assert rendering.exit_code(rendering.render(folder).comparison) == 1


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (None, 1),
        (factories.failure(NOISE, "crash"), 1),
        (factories.failure(NOISE, "oom"), 0),
        (factories.measurement(NOISE), 0),
    ],
)
def test_what_only_eager_against_eager_lacks_is_not_everything(
    tmp_path: Path, last: Record | None, code: int
) -> None:
    plan = factories.plan([RESNET], noise_floor=(NOISE,))
    ids = (RESNET.case_id, NOISE.case_id)
    started = factories.started([RESNET], plan_id=plan.plan_id, case_ids=ids)
    folder = new_folder(tmp_path, plan=plan)
    records = [started, FASTER, *([last] if last else [])]
    Run.of(folder).measure([FakeHost("local", lines(*records))], NoProgress())
    compared = rendering.render(folder).comparison
    assert rendering.exit_code(compared) == code
    remarks = [one for one in compared.hosts[0].remarks if NOISE.case_id in one]
    assert len(remarks) == (last is None or last.kind == "failure")


class Impatient(NoProgress):
    """Presses Ctrl-C once the first result is there."""

    def saw(self, host: str, record: Record) -> None:
        if record.kind == "measurement":
            raise KeyboardInterrupt


def test_ctrl_c_stops_the_host_and_keeps_what_was_measured(tmp_path: Path) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    host = FakeHost("local", lines(STARTED, FASTER, opened), endless=True)
    folder = new_folder(tmp_path)
    with pytest.raises(InterruptedRunError):
        Run.of(folder).measure([host], Impatient())
    assert host.sessions[0].stopped.is_set()
    rows = rendering.render(folder).comparison.rows
    assert [row.verdict for row in rows] == ["faster", "missing"]


class HungUp(NoProgress):
    """Closes the terminal once the first result is there."""

    def saw(self, host: str, record: Record) -> None:
        if record.kind == "measurement":
            raise HangUp


def test_a_closed_terminal_leaves_running_what_can_do_without_it(tmp_path: Path) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    host = FakeHost("t4", lines(STARTED, FASTER, opened), endless=True)
    folder = new_folder(tmp_path, "t4")
    with pytest.raises(InterruptedRunError) as caught:
        Run.of(folder).measure([host], HungUp())
    assert caught.value.running == ("t4",)
    assert caught.value.detached
    assert not host.sessions[0].killed


def test_running_out_of_memory_is_a_result_and_a_crash_is_not(tmp_path: Path) -> None:
    def code(reason: str) -> int:
        stream = lines(STARTED, FASTER, factories.failure(VIT, reason), DONE)  # type: ignore[arg-type]
        rendered = rendering.render(measured(tmp_path, FakeHost("local", stream)))
        return rendering.exit_code(rendered.comparison)

    assert code("oom") == 0
    assert code("crash") == 1
    assert code("fell_back_to_eager") == 1

"""Run folders: cut, damaged, older, full and missing ones."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.contract.records import write_line
from orchestrator.cli.progress import NoProgress
from orchestrator.errors import RunError, StorageError, UnknownNameError
from orchestrator.fleet.measuring import Run
from orchestrator.publish import rendering
from orchestrator.records.rundir import RunFolder
from tests.fake_host import FakeHost, lines
from tests.integration.replays import (
    FASTER,
    PLAN,
    RESNET,
    STARTED,
    VIT,
    WHOLE,
    measured,
    new_folder,
    verdicts,
)


@pytest.mark.parametrize("cut", [0, 1, 100, len(lines(STARTED)), len(lines(STARTED, FASTER)) - 1])
def test_a_record_file_is_taken_up_where_it_was_cut(tmp_path: Path, cut: int) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "records" / "local.1.jsonl"
    path.write_bytes(WHOLE[:cut])
    known = folder.known("local.1.jsonl")
    with folder.reopened("local.1.jsonl", known, PLAN) as attempt:
        assert len(known.records) == attempt.next_seq
        for line in WHOLE.splitlines(keepends=True)[attempt.next_seq :]:
            attempt.append(line)
    assert path.read_bytes() == WHOLE


def test_an_older_run_json_is_still_read(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "run.json"
    fields = json.loads(path.read_text())
    for newer in ("machines", "troubles"):
        del fields[newer]
    path.write_text(json.dumps(fields))
    assert verdicts(folder) == ["faster", "slower"]


def test_a_record_file_cut_at_any_byte_of_its_last_record_reads_cleanly(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "records" / "local.1.jsonl"
    start = len(lines(STARTED, FASTER))
    for cut in range(start, len(WHOLE), 211):
        path.write_bytes(WHOLE[:cut])
        (outcome,) = folder.outcomes()
        assert RESNET.case_id in outcome.measurements


@pytest.fixture
def nearly_full_disk() -> Iterator[None]:
    """The last measurement does not fit: the kernel refuses the write, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(WHOLE) * 3 // 4, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("nearly_full_disk")
def test_a_full_disk_keeps_what_was_written_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    with pytest.raises(StorageError) as caught:
        Run.of(folder).measure([FakeHost("local", WHOLE)], NoProgress())
    assert "local.1.jsonl" in caught.value.sentence
    assert f"--resume {folder.path}" in caught.value.advice
    assert caught.value.exit_code == 1
    (outcome,) = folder.outcomes()
    assert RESNET.case_id in outcome.measurements
    assert VIT.case_id not in outcome.measurements


def test_two_runs_in_the_same_minute_get_two_folders(tmp_path: Path) -> None:
    assert new_folder(tmp_path).path != new_folder(tmp_path).path


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot make the folder"):
        new_folder(tmp_path / "file" / "reports")


def test_a_missing_run_lists_what_there_is(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    with pytest.raises(UnknownNameError) as caught:
        RunFolder.find(tmp_path, folder.path.name[:-1])
    assert folder.path.name in caught.value.sentence


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no run\.json"):
        RunFolder.find(tmp_path, str(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run_id": 1}', "\x00"])
def test_a_damaged_run_json_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    folder = new_folder(tmp_path)
    (folder.path / "run.json").write_text(text)
    with pytest.raises(RunError, match="cannot read"):
        folder.meta()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "plan"}', '{"schema_version": 9}'])
def test_a_damaged_plan_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    folder = new_folder(tmp_path)
    (folder.path / "plan.json").write_text(text)
    with pytest.raises(RunError, match="cannot read"):
        folder.plan()


def test_reading_written_records_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    (outcome,) = folder.outcomes()
    assert write_line(outcome.measurements[RESNET.case_id]).encode() in WHOLE


def test_a_copy_beside_the_records_is_no_record_file(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    records = folder.path / "records"
    for name in ("local.1.bak.jsonl", "local.copy.jsonl", "notes.txt"):
        (records / name).write_bytes(WHOLE)
    assert verdicts(folder) == ["faster", "slower"]


@pytest.mark.parametrize(
    "hosts", [["/etc/x"], ["[a-"], [".."], 7, ["a", "a"], [f"h{n}" for n in range(1001)]]
)
def test_a_run_json_with_impossible_hosts_is_refused(tmp_path: Path, hosts: object) -> None:
    folder = new_folder(tmp_path)
    path = folder.path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hosts": hosts}))
    with pytest.raises(RunError, match=r"cannot read .*run\.json"):
        folder.meta()


@pytest.mark.parametrize("name", ["report.html", "results.csv", "results.json", "results.md"])
def test_a_link_in_a_run_folder_leads_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    """A folder from elsewhere could have its page overwrite a file of its reader's."""
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (folder.path / name).symlink_to(mine)
    rendering.render(folder)
    assert mine.read_text() == "mine"
    assert not (folder.path / name).is_symlink()


@pytest.mark.parametrize(
    "name", ["records/.lock", "records/local.1.jsonl", "logs/local.2.log", "jobs/local.jsonl"]
)
def test_nothing_is_measured_into_a_folder_with_links(tmp_path: Path, name: str) -> None:
    folder = new_folder(tmp_path)
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (folder.path / name).parent.mkdir(exist_ok=True)
    (folder.path / name).symlink_to(mine)
    with pytest.raises(RunError, match="is a link"), folder.held():
        pytest.fail("held")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["run.json", "plan.json", "records/local.1.jsonl", "jobs/local.jsonl"]
)
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a terabyte"])
def test_what_would_never_end_is_not_read(tmp_path: Path, name: str, kind: str) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    if kind == "a terabyte" and name.startswith("records"):  # read up to the bounds of its plan
        assert not folder.outcomes()[0].measurements
        return
    with pytest.raises(RunError, match=r"regular file|larger than"):
        folder.outcomes()


def test_more_cases_on_all_hosts_than_a_page_can_hold_are_refused(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    plan = json.loads((folder.path / "plan.json").read_text()) | {"plan_id": ""}
    plan |= {"models": [f"a/m{n}" for n in range(200)]}
    plan |= {"batch_sizes": list(range(1, 101)), "noise_floor": []}
    (folder.path / "plan.json").write_text(json.dumps(plan))
    meta = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps(meta | {"hosts": list("abcdefghij")}))
    with pytest.raises(RunError, match="200,000 cases on 10 hosts"):
        folder.outcomes()


def test_a_run_with_a_recipe_of_another_checkout_is_no_damaged_one(tmp_path: Path) -> None:
    folder = new_folder(tmp_path, "local")
    path = folder.path / "plan.json"
    path.write_text(path.read_text().replace('"default"', '"tomorrows"'))
    with pytest.raises(RunError, match="this checkout has no recipe 'tomorrows'") as caught:
        folder.plan()
    assert caught.value.advice.startswith("Use a checkout that has it")

"""attach and clean on runs that have nothing under way, or whose folder is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.records.outcomes import Trouble
from tests.fake_host import lines
from tests.integration.replays import STARTED, new_folder
from tests.integration.test_command_line import a_run, say


def lock(run: Path) -> Path:
    return run / "records" / ".lock"


def test_attaching_to_a_finished_run_writes_its_page_again(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    said = say("attach", str(run), "--progress", "plain")
    assert said.code == 0
    assert "local: nothing is under way here any more" in said.err
    assert "nothing measured" not in said.err
    assert "measured" in said.err.splitlines()[-1]
    assert (run / "report.html").exists()
    assert not lock(run).exists()


def test_a_local_run_that_was_cut_off_says_how_to_go_on(tmp_path: Path) -> None:
    run = new_folder(tmp_path).path
    (run / "records" / "local.1.jsonl").write_bytes(lines(STARTED))
    said = say("attach", str(run), "--progress", "plain")
    assert said.code == 1
    assert "what measures without Docker ends with its terminal" in said.err
    assert f"--resume {run}" in said.err
    assert not lock(run).exists()


def test_a_host_that_was_never_reached_is_told_with_how_to_try_again(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    (folder.path / "records" / "local.1.jsonl").touch()
    folder.mark_trouble("local.1.jsonl", Trouble("no key. Mend it.", preparing="connecting"))
    said = say("attach", str(folder.path), "--progress", "plain")
    assert said.code == 3
    resume = f"python orchestrate.py --resume {folder.path}"
    assert f"local: ✕ no key. Mend it. To try there again: {resume}" in said.err


def test_a_run_is_named_as_it_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_folder(tmp_path / "my runs")
    assert folder.pasted == f"'{folder.path}'"
    monkeypatch.chdir(tmp_path)
    assert folder.pasted == f"'my runs/{folder.path.name}'"
    monkeypatch.chdir(folder.path.parent)
    assert folder.pasted == folder.path.name


def test_a_run_that_another_process_follows_is_refused_before_anything_is_shown(
    tmp_path: Path,
) -> None:
    folder = new_folder(tmp_path)
    with folder.held():
        for command in (("attach",), ("--resume",)):
            said = say(*command, str(folder.path), "--progress", "plain")
            assert said.code == 2
            assert said.err.splitlines()[-2:] == [
                f"run {folder.path.name} is being followed by another process",
                "Let that one finish, or end it first.",
            ]
            assert "nothing measured" not in said.err


def test_resuming_a_complete_run_says_so_and_where_its_page_is(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    said = say("--resume", str(run), "--progress", "plain")
    assert said.code == 0
    assert said.err == f"run {run.name} is complete: nothing is left to measure\n"
    assert str(run / "report.html") in said.out


@pytest.mark.parametrize("command", ["attach", "clean"])
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("run.json", None, "it has no run.json"),
        ("run.json", '{"run_id": "x", "cre', "cannot read"),
        ("run.json", '{"run_id": "x"}', "it lacks 'created'"),
    ],
)
def test_a_damaged_run_is_told_in_one_sentence(
    tmp_path: Path, command: str, name: str, content: str | None, sentence: str
) -> None:
    run = a_run(tmp_path)
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    said = say(command, run.name, "--output", str(tmp_path))
    assert said.code == 2
    assert sentence in said.err
    assert "Restore it from a copy" in said.err
    assert ("--hosts NAMES" in said.err) == (command == "clean")
    assert not lock(run).exists()


def test_a_run_without_plan_or_records_cannot_be_followed(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    plan = (run / "plan.json").read_text()
    (run / "plan.json").write_text(plan[: len(plan) // 2])
    assert "plan.json" in say("attach", str(run)).err
    (run / "plan.json").write_text(plan)
    for path in (run / "records").iterdir():
        path.unlink()
    (run / "records").rmdir()
    said = say("attach", str(run))
    assert said.code == 2
    assert "Restore the folder from a copy" in said.err


def test_a_local_run_has_nothing_to_clean(tmp_path: Path) -> None:
    said = say("clean", str(a_run(tmp_path)))
    assert said.code == 2
    assert "nothing to clean" in said.err


@pytest.mark.parametrize("hours", ["nan", "inf", "-1"])
def test_no_length_of_time_is_refused(hours: str) -> None:
    for option in ("--patience", "--deadline"):
        said = say(option, hours, "--dry-run")
        assert said.code == 2
        assert option in said.err

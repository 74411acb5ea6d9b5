"""The command line as a user meets it: what is said, on which stream, with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.cli import app
from tests import factories
from tests.integration.replays import STARTED, WHOLE, new_folder

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def say(*arguments: str) -> Said:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def a_run(output: Path) -> Path:
    """A complete run on disk, as if it had just been measured."""
    folder = new_folder(output)
    (folder.path / "records" / "local.1.jsonl").write_bytes(WHOLE)
    return folder.path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--hosts", "lokal"], 'unknown host "lokal". Did you mean local?'),
        (["--hosts", ""], "--hosts names no host"),
        (["--hosts", "local,local"], "given twice"),
        (["--models", "resnet50"], "Did you mean resnet-50?"),
        (["--modes", "fast"], 'unknown mode "fast"'),
        (["--precisions", "fp32"], "Did you mean"),
        (["--batch-sizes", "0"], 'batch size "0" is not possible'),
        (["--iterations", "-5"], "--iterations -5 is not possible"),
        (["--image", "none.png"], "cannot read the picture none.png"),
        (["--hosts", "ann@box"], "Write it as  ssh://ann@box"),
        (["--resume", "no-such-run"], 'unknown run "no-such-run"'),
        (["report", "no-such-run"], 'unknown run "no-such-run"'),
        (["--quick", "report", "published"], "--quick stands before the command report"),
        (["--models", "acme/net", "--weights", "random"], "random weights exist for those only"),
    ],
)
def test_a_mistake_gets_one_sentence_on_stderr_and_exit_code_two(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    said = say(*arguments)
    assert said.code == 2
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) <= 2
    assert said.out == ""


@pytest.mark.parametrize(
    "arguments", [["--iterations", "many"], ["--no-such-option"], ["nonsense"]]
)
def test_what_is_no_option_gets_exit_code_two_as_well(arguments: list[str]) -> None:
    said = say(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_an_output_that_cannot_be_written_is_refused_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = say("--quick", "--output", str(tmp_path / "file"))
    assert said.code == 2
    assert "cannot make the folder" in said.err


def test_options_that_make_a_plan_do_not_go_with_resume(tmp_path: Path) -> None:
    said = say("--resume", str(a_run(tmp_path)), "--iterations", "30")
    assert said.code == 2
    assert "--iterations does not go with --resume" in said.err


def test_a_dry_run_says_what_would_be_measured_and_writes_nothing(tmp_path: Path) -> None:
    said = say("--dry-run", "--output", str(tmp_path / "reports"))
    assert said.code == 0
    assert "36 cases" in said.out
    assert "resnet-50/eager/float32/b1, maskformer-swin-base/eager/float32/b16" in said.out
    assert "about" in said.out
    assert not (tmp_path / "reports").exists()


def test_a_dry_run_as_json_has_hosts_their_time_and_the_plan_itself() -> None:
    found = json.loads(say("--dry-run", "--quick", "--json").out)
    (host,) = found["hosts"]
    assert (host["name"], found["cases_per_host"]) == ("local", 4)
    assert 10 < host["estimated_s"] < 3600
    plan = found["plan"]
    assert plan["kind"] == "plan"
    assert plan["weights"] == "random"


def test_rendering_again_ends_with_the_pages_path_and_the_answer(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    said = say("report", str(run))
    *_, page, answer = said.out.strip().splitlines()
    assert said.code == 0
    assert page == f"Page: {(run / 'report.html').resolve()}"
    assert "1 faster" in answer or "1 of 2" in answer


def test_a_run_is_found_by_its_name(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert say("report", run.name, "--output", str(tmp_path)).code == 0


def test_the_summary_as_json_is_all_there_is_on_stdout(tmp_path: Path) -> None:
    said = say("report", str(a_run(tmp_path)), "--json")
    summary = json.loads(said.out)
    assert summary["counts"] == {"faster": 1, "slower": 1}
    assert Path(summary["page"]).exists()
    assert summary["hosts"][0]["geometric_mean_speed_up"] == pytest.approx(1.0, rel=0.02)


def test_the_models_are_listed_for_people_and_for_programs() -> None:
    assert "google/owlvit-base-patch32" in say("models").out
    listed = json.loads(say("models", "--json").out)
    assert len(listed) == 12
    assert {"name", "hub_id", "task", "parameters"} <= listed[0].keys()


def test_the_published_table_is_a_report_of_its_own(tmp_path: Path) -> None:
    said = say("report", "published", "--output", str(tmp_path))
    assert said.code == 0
    assert (tmp_path / "published" / "report.html").exists()


def test_a_hostile_message_cannot_steer_the_terminal(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    nasty = factories.failure(factories.case("resnet-50"), "error", "\x1b[2J\x1b]0;owned\x07")
    (folder.path / "records" / "local.1.jsonl").write_text(
        STARTED.model_dump_json() + "\n"
        + nasty.model_copy(update={"seq": 1}).model_dump_json() + "\n"
    )  # fmt: skip
    said = say("report", str(folder.path))
    assert "\x1b" not in said.out + said.err
    assert said.code == 1


def outside(*command: str, **environment: str) -> Said:
    """Run for real, in a process of its own."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_before_anything_is_installed_it_says_which_command_installs_it() -> None:
    said = outside("-S", "orchestrate.py", "--help", PYTHONPATH="")
    assert said.code == 2
    assert "make demo" in said.err
    assert "pip install -e" in said.err
    assert "Traceback" not in said.err


def test_with_the_desk_alone_a_local_run_says_how_to_get_the_measuring_side() -> None:
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        "from orchestrator.cli.cli import main; sys.argv[1:] = ['--quick']; main()"
    )
    said = outside("-c", code)
    assert said.code == 3
    assert "torch not installed" in said.err
    assert 'pip install -e ".[local]"' in said.err


def test_without_a_compiler_a_local_run_says_how_to_get_one(tmp_path: Path) -> None:
    said = outside("orchestrate.py", "--quick", PATH=str(tmp_path), CXX="")
    assert said.code == 3
    assert "C++ compiler" in said.err


def test_rendering_needs_neither_torch_nor_transformers_nor_docker(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'PIL', 'docker'): sys.modules[name] = None\n"
        f"from orchestrator.cli.cli import main; sys.argv[1:] = ['report', {str(run)!r}]; main()"
    )
    said = outside("-c", code)
    assert said.code == 0, said.err
    assert (run / "report.html").exists()


def test_a_reader_who_leaves_early_causes_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} orchestrate.py models | head -1",
        shell=True, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def shell(command: str) -> Said:
    """Run a line of the shell, for what only redirections can do."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} orchestrate.py {command}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


def test_a_closed_output_is_no_error_and_a_full_one_is_a_sentence() -> None:
    assert shell("models >&-") == Said(0, "", "")
    full = shell("models > /dev/full")
    assert full.code == 1
    assert full.err == "the system refused: No space left on device\n"


def test_what_is_kept_is_said_where_something_is(tmp_path: Path) -> None:
    full = shell(f"attach {a_run(tmp_path)} --progress none > /dev/full")
    assert full.code == 1
    assert full.err.splitlines() == [
        "the system refused: No space left on device",
        f"What was measured is kept in {tmp_path}/2026-11-24-0415-local.",
    ]


def test_what_nobody_hears_on_standard_error_changes_no_exit_code() -> None:
    assert shell("report no-such-run 2>/dev/full").code == 2
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "orchestrate.py", "report", "no-such-run"]
    with os.fdopen(writer, "wb") as unheard:
        assert subprocess.run(command, cwd=ROOT, stderr=unheard, check=False).returncode == 2


def test_a_terminal_without_our_characters_gets_others() -> None:
    said = outside("orchestrate.py", "models", PYTHONIOENCODING="ascii")
    assert said.code == 0
    assert "vit-base" in said.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["report", "a" * 300], "unknown run"),
        (["--image", "/dev/zero"], "is no file"),
        (["--image", ""], "is no file"),
        (["--image", "README.md"], "is none in a common format"),
        (["--batch-sizes", "1,01"], 'batch size "1" is given twice'),
        (["--models", "a/\x00"], "has characters that no text has"),
    ],
)
def test_an_odd_name_is_refused_before_anything_is_read(
    arguments: list[str], sentence: str
) -> None:
    said = say(*arguments)
    assert said.code == 2
    assert sentence in said.err

"""export RUN: each format, where it goes, and what is said when it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.compare.published_table import build_published
from orchestrator.page import exports
from tests.integration.test_command_line import a_run, outside, say


@pytest.mark.parametrize("name", ["csv", "json", "md"])
def test_a_format_of_numbers_is_all_there_is_on_stdout(name: str, tmp_path: Path) -> None:
    writers = {"csv": exports.to_csv, "json": exports.to_json, "md": exports.to_markdown}
    said = say("export", "published", "--format", name)
    assert said.code == 0
    assert said.out.replace("\r\n", "\n") == writers[name](build_published()).replace("\r\n", "\n")
    assert said.err == ""


def test_a_file_gets_the_very_bytes_and_its_path_is_printed(tmp_path: Path) -> None:
    run, target = a_run(tmp_path), tmp_path / "numbers.csv"
    said = say("export", str(run), "--format", "csv", "--to", str(target))
    assert said.out.strip() == str(target)
    say("report", str(run), "--output", str(tmp_path))
    assert target.read_bytes() == (run / "results.csv").read_bytes()


def test_json_of_a_run_found_by_name_is_valid(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    said = say("export", run.name, "--format", "json", "--output", str(tmp_path))
    assert len(json.loads(said.out)["rows"]) == 2


@pytest.mark.parametrize("name", ["svg", "png"])
def test_charts_go_into_the_folder_of_the_run(name: str, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    said = say("export", str(run), "--format", name)
    assert said.code == 0
    paths = [Path(line) for line in said.out.splitlines()]
    assert len(paths) == 2
    assert all(path.parent == run / "charts" and path.suffix == f".{name}" for path in paths)
    start = {"svg": b"<svg", "png": b"\x89PNG"}[name]
    assert all(path.read_bytes().startswith(start) for path in paths)


def test_what_is_made_of_a_run_from_elsewhere_goes_where_it_was_asked_for(tmp_path: Path) -> None:
    run, other = a_run(tmp_path / "runs"), tmp_path / "site"
    before = sorted(path.name for path in run.iterdir())
    assert say("report", str(run), "--output", str(other)).code == 0
    said = say("export", str(run), "--format", "svg", "--output", str(other))
    assert sorted(path.name for path in run.iterdir()) == before
    assert (other / run.name / "report.html").is_file()
    assert run.name in (other / "index.html").read_text()
    assert {Path(line).parent for line in said.out.splitlines()} == {other / run.name / "charts"}


def test_another_run_of_that_name_is_not_written_over(tmp_path: Path) -> None:
    run, other = a_run(tmp_path / "runs"), tmp_path / "site"
    a_run(other)
    said = say("report", str(run), "--output", str(other))
    assert said.code == 2
    assert "is another run of that name" in said.err


def test_charts_of_the_published_table_make_no_folder_among_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = say("export", "published", "--format", "svg")
    assert {Path(line).parent.name for line in said.out.splitlines()} == {"published-charts"}
    assert [path.name for path in tmp_path.iterdir()] == ["published-charts"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no-such", "--format", "csv"], 'unknown run "no-such"'),
        (["published", "--format", "pdf"], "pdf"),
        (["published"], "--format"),
        (["published", "--format", "csv", "--to", "/nonexistent/x.csv"], "cannot write"),
        (["published", "--format", "svg", "--to", "/dev/null/x"], "cannot make the folder"),
        (["published", "--format", "svg", "--to", "/dev/null/x"], "another place with --to"),
    ],
)
def test_a_mistake_gets_a_sentence_and_exit_code_two(arguments: list[str], sentence: str) -> None:
    said = say("export", *arguments)
    assert said.code == 2
    assert sentence in said.err
    assert "Traceback" not in said.err


def test_without_the_optional_package_png_says_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['vl_convert'] = None\n"
        "from orchestrator.cli.cli import main\n"
        f"sys.argv[1:] = ['export', {str(a_run(tmp_path))!r}, '--format', 'png']; main()"
    )
    said = outside("-c", code)
    assert said.code == 2
    assert 'pip install -e ".[png]"' in said.err
    assert said.out == ""

"""Comparing, gating and listing runs, as a user meets them on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.contract.records import Failure, Finished, Measurement
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_host import lines
from tests.integration.replays import NOW, PLAN, RESNET, STARTED, VIT
from tests.integration.test_command_line import say

DONE = Finished(plan_id=PLAN.plan_id, measured=2, failed=0)
HOSTILE = "\x1b[2J</script><script>alert(1)</script>"


def a_run(output: Path, name: str, *records: Measurement | Failure, host: str = "local") -> Path:
    """A complete run of two cases on disk, under a name of its own."""
    folder = RunFolder.create(output, PLAN, [host], f"python orchestrate.py  # {name}", NOW)
    (folder.path / "records" / f"{host}.1.jsonl").write_bytes(lines(STARTED, *records, DONE))
    return folder.path.rename(output / name)


def runs(output: Path, slower: float = 1.2) -> tuple[Path, Path]:
    """The same two cases twice; in the second run ResNet's compiled time is multiplied."""
    vit = factories.measurement(VIT, noise=0.01)
    before = a_run(output, "monday", factories.measurement(RESNET, noise=0.01), vit)
    later = factories.measurement(RESNET, compiled_s=0.008 * slower, noise=0.01)
    return before, a_run(output, "friday", later, vit)


def test_two_runs_are_compared_on_a_page_and_in_a_table(tmp_path: Path) -> None:
    runs(tmp_path)
    said = say("compare", "monday", "friday", "--output", str(tmp_path))
    assert said.code == 0
    page = (tmp_path / "compare-monday-friday.html").resolve()
    assert f"Page: {page}" in said.out.splitlines()
    assert "Compiled code is slower in 1 of 2 cases" in said.out.splitlines()[-1]
    assert "another day" in said.out
    assert "ResNet" in page.read_text()


def test_a_comparison_overwrites_no_other_and_goes_where_it_was_wanted(tmp_path: Path) -> None:
    runs(tmp_path)
    say("compare", "monday", "friday", "--output", str(tmp_path))
    say("compare", "friday", "monday", "--output", str(tmp_path))
    wanted = tmp_path / "else.html"
    said = say("compare", "friday", "monday", "--output", str(tmp_path), "--to", str(wanted))
    assert said.code == 0
    assert sorted(path.name for path in tmp_path.glob("*.html")) == [
        "compare-friday-monday.html", "compare-monday-friday.html", "else.html",
    ]  # fmt: skip
    assert wanted.read_text() == (tmp_path / "compare-friday-monday.html").read_text()


def test_a_renamed_run_is_called_as_a_user_must_type_it(tmp_path: Path) -> None:
    runs(tmp_path)  # both were made under names that hold date and host
    said = say("compare", "monday", "friday", "--output", str(tmp_path))
    page = (tmp_path / "compare-monday-friday.html").read_text()
    assert "<dd>monday " in page
    assert "Before: monday" in page
    assert "2026-" not in said.out.splitlines()[-1]
    say("report", "friday", "--output", str(tmp_path))
    assert "run friday ·" in (tmp_path / "friday" / "report.html").read_text()


def test_the_comparison_as_json_is_all_there_is_on_stdout(tmp_path: Path) -> None:
    before, after = runs(tmp_path)
    said = say("compare", str(before), str(after), "--json", "--output", str(tmp_path))
    content = json.loads(said.out)
    assert content["compiled_counts"] == {"slower": 1, "faster": 0, "same": 1, "unclear": 0}
    assert Path(content["page"]).exists()


@pytest.mark.parametrize(("limit", "code"), [("5", 4), ("50", 0)])
@pytest.mark.parametrize(
    "arguments", [("compare", "monday", "friday"), ("report", "friday", "--baseline", "monday")]
)
def test_a_slow_down_beyond_the_limit_ends_with_four(
    arguments: tuple[str, ...], limit: str, code: int, tmp_path: Path
) -> None:
    runs(tmp_path)
    said = say(*arguments, "--fail-on-regression", limit, "--output", str(tmp_path))
    assert said.code == code
    assert ("1 case is significantly slower" in said.err) == (code == 4)


def test_a_speed_up_is_no_regression(tmp_path: Path) -> None:
    runs(tmp_path, slower=0.5)
    said = say(
        "compare", "monday", "friday", "--fail-on-regression", "0", "--output", str(tmp_path)
    )
    assert said.code == 0


def test_failed_cases_end_with_one_and_a_regression_beside_them_with_four(tmp_path: Path) -> None:
    before, _ = runs(tmp_path)
    half = a_run(tmp_path, "half", factories.measurement(RESNET, compiled_s=0.02, noise=0.01))
    rendered = ("report", str(half), "--baseline", str(before), "--output", str(tmp_path))
    assert say(*rendered).code == 1
    assert say(*rendered, "--fail-on-regression", "10").code == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("compare", "monday", "broken"), 0),
        (("compare", "monday", "broken", "--fail-on-regression", "50"), 1),
        (("compare", "broken", "monday", "--fail-on-regression", "50"), 0),
    ],
)
def test_a_case_that_works_no_more_does_not_pass_a_gate(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    runs(tmp_path)
    a_run(
        tmp_path,
        "broken",
        factories.measurement(RESNET, compiled_s=0.008, noise=0.01),
        factories.failure(VIT, "compile_error"),
    )
    said = say(*arguments, "--output", str(tmp_path))
    assert said.code == code, said.err
    assert ("1 case was measured in run monday and failed or went missing since" in said.err) == (
        code == 1
    )


def test_where_nothing_works_any_more_the_gate_says_so(tmp_path: Path) -> None:
    runs(tmp_path)
    broken = (factories.failure(each, "compile_error") for each in (VIT, RESNET))
    a_run(tmp_path, "broken", *broken)
    said = say(
        "compare", "monday", "broken", "--fail-on-regression", "5", "--output", str(tmp_path)
    )
    assert said.code == 1
    assert "2 cases were measured in run monday and failed or went missing since" in said.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["compare", "monday", "sunday"], 'unknown run "sunday". Did you mean monday?'),
        (["compare", "monday", "monday"], "are the same run"),
        (["compare", "published", "friday"], "published means have no spread"),
        (["report", "friday", "--baseline", "friday"], "would be its own baseline"),
        (["report", "friday", "--baseline", "no-such"], 'unknown run "no-such"'),
        (["report", "friday", "--fail-on-regression", "5"], "its means have no spread"),
        (
            ["report", "friday", "--baseline", "none", "--fail-on-regression", "5"],
            "nothing to regress from",
        ),
        (["compare", "monday", "friday", "--fail-on-regression", "-1"], "-1 is not possible"),
        (["compare", "monday", "friday", "--fail-on-regression", "nan"], "nan is not possible"),
        (["report", "published", "--baseline", "monday"], "held against no baseline"),
        (["report", "published", "--fail-on-regression", "5"], "held against no baseline"),
        (["--quick", "--fail-on-regression", "5"], "needs a measured baseline"),
        (["--quick", "--baseline", "sunday"], 'unknown run "sunday"'),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_two_before_anything_is_done(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    runs(tmp_path)
    said = say(*arguments, "--output", str(tmp_path))
    assert said.code == 2
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) <= 2
    assert said.out == ""
    assert list(tmp_path.glob("compare*.html")) == []


def test_a_run_of_a_newer_version_is_refused_with_advice(tmp_path: Path) -> None:
    _, after = runs(tmp_path)
    records = after / "records" / "local.1.jsonl"
    text = records.read_text().replace('"schema_version":', '"schema_version":9', 1)
    records.write_text(text)
    said = say("compare", "monday", "friday", "--output", str(tmp_path))
    assert said.code == 2
    assert "update this checkout" in said.err


def test_runs_with_nothing_in_common_get_a_page_that_says_so_and_no_passing_gate(
    tmp_path: Path,
) -> None:
    runs(tmp_path)
    folder = RunFolder.create(
        tmp_path, factories.plan([factories.case("beit-base")]), ["local"], "", NOW
    )
    other = factories.measurement(factories.case("beit-base"))
    (folder.path / "records" / "local.1.jsonl").write_bytes(lines(STARTED, other, DONE))
    compared = ("compare", "monday", str(folder.path), "--output", str(tmp_path))
    said = say(*compared)
    assert said.code == 0
    assert "no case in common" in said.out
    assert "2 cases only in" in said.out
    gated = say(*compared, "--fail-on-regression", "5")
    assert gated.code == 2
    assert "nothing to judge" in gated.err


def test_the_page_of_a_run_holds_it_against_what_was_asked_for(tmp_path: Path) -> None:
    _, after = runs(tmp_path)
    shown = {
        "published": "published in 2023",
        "monday": "Compiled code is slower in 1 of 2 cases",
        "none": None,
    }
    for name, words in shown.items():
        assert say("report", "friday", "--baseline", name, "--output", str(tmp_path)).code == 0
        html = (after / "report.html").read_text()
        assert ('id="changes"' in html) == (words is not None)
        assert words is None or words in html


def test_hostile_names_cannot_steer_the_terminal_or_run_on_a_page(tmp_path: Path) -> None:
    case = factories.case(HOSTILE)
    for name, time_s in (("monday", 0.008), ("friday", 0.012)):
        folder = RunFolder.create(tmp_path, factories.plan([case]), ["local"], HOSTILE, NOW)
        found = factories.environment(HOSTILE, torch=HOSTILE + name)
        records = lines(
            factories.started([case], environment=found),
            factories.measurement(case, compiled_s=time_s),
        )
        (folder.path / "records" / "local.1.jsonl").write_bytes(records)
        folder.path.rename(tmp_path / name)
    compared = ("compare", "monday", "friday", "--output", str(tmp_path))
    for said in (say(*compared), say(*compared, "--fail-on-regression", "5")):
        assert "\x1b" not in said.out + said.err
    assert say(*compared, "--fail-on-regression", "5").code == 4
    for name in ("compare-monday-friday.html", "index.html"):
        say("report", "friday", "--baseline", "monday", "--output", str(tmp_path))
        assert "<script>alert" not in (tmp_path / name).read_text()


def test_every_rendered_run_is_listed_at_once(tmp_path: Path) -> None:
    runs(tmp_path)
    say("report", "monday", "--output", str(tmp_path))
    say("report", "friday", "--output", str(tmp_path))
    html = (tmp_path / "index.html").read_text()
    assert "./monday/report.html" in html
    assert "./friday/report.html" in html
    assert "over 2 runs" in html


def test_a_run_outside_the_folder_of_runs_makes_no_index_there(tmp_path: Path) -> None:
    before, _ = runs(tmp_path / "elsewhere")
    assert say("report", str(before), "--output", str(tmp_path)).code == 0
    assert not (tmp_path / "elsewhere" / "index.html").exists()


def test_a_foreign_index_costs_a_run_nothing_but_a_sentence(tmp_path: Path) -> None:
    runs(tmp_path)
    (tmp_path / "index.html").write_text("mine")
    said = say("report", "monday", "--output", str(tmp_path))
    assert said.code == 0
    assert "stays as it is" in said.err
    assert say("index", "--output", str(tmp_path)).code == 2


def test_the_index_names_what_it_left_out_and_goes_on(tmp_path: Path) -> None:
    runs(tmp_path)
    say("report", "monday", "--output", str(tmp_path))
    said = say("index", "--output", str(tmp_path))
    assert said.code == 0
    assert said.out.splitlines()[0] == "1 run"
    assert said.err.strip() == (
        "left out: friday has records but no results.json: render it with the command report"
    )
    listed = json.loads(say("index", "--json", "--output", str(tmp_path)).out)
    assert listed["runs"] == ["monday"]
    assert list(listed["left_out"]) == ["friday"]

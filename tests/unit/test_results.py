"""The list of runs: what is read, what is refused, in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.compare.published_table import build_published
from orchestrator.page.exports import to_json
from orchestrator.publish import results
from tests.factories import case, comparison, failure, measurement, outcome


def content(**run: object) -> dict[str, Any]:
    """What results.json of a run holds, with some facts about the run changed."""
    made = comparison(outcome("a100", measurement(), failure(case(batch_size=4))))
    found: dict[str, Any] = json.loads(to_json(made))
    found["run"] |= run
    return found


def put(output: Path, name: str, text: str) -> Path:
    folder = output / name
    folder.mkdir(parents=True)
    (folder / results.NAME).write_text(text)
    return folder


def test_runs_are_found_newest_first_and_the_published_table_last(tmp_path: Path) -> None:
    put(tmp_path, "old", json.dumps(content(created="2026-11-01T10:00:00+02:00")))
    put(tmp_path, "new", json.dumps(content(created="2026-11-02T10:00:00+00:00")))
    put(tmp_path, "published", to_json(build_published()))
    runs, left_out = results.find(tmp_path)
    assert [run.folder for run in runs] == ["new", "old", "published"]
    assert [run.results.is_published for run in runs] == [False, False, True]
    assert left_out == ()


def test_what_is_read_is_what_was_exported(tmp_path: Path) -> None:
    put(tmp_path, "run", json.dumps(content()))
    ((run,), _) = results.find(tmp_path)
    assert run.results.counts == {"faster": 1, "failed": 1}
    assert run.results.rows[0].speed_up == pytest.approx(1.25)
    assert run.results.hosts[0].torch == "2.13.0"
    assert (run.results.run.size, run.results.run.backend) == ("full", "inductor")
    assert not run.has_page
    assert run.results.rehearsal == ""


BROKEN = {
    "{": "no JSON",
    "[]": "another program",
    '{"format": "other"}': "another program",
    json.dumps(content() | {"version": 99}): "newer version (format 99",
    json.dumps(content() | {"version": None}): "no version",
    json.dumps(content() | {"rows": [{}]}): "damaged: rows.0",
    json.dumps(content() | {"rows": None}): "damaged: rows",
    "[" * 100_000: "no JSON",
    "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"): "no JSON",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_folder_is_left_out_with_its_reason_and_stops_no_other(
    text: str, tmp_path: Path
) -> None:
    put(tmp_path, "broken", text)
    put(tmp_path, "good", json.dumps(content()))
    runs, left_out = results.find(tmp_path)
    assert [run.folder for run in runs] == ["good"]
    assert [each.folder for each in left_out] == ["broken"]
    assert BROKEN[text] in left_out[0].why


def test_folders_that_are_no_runs_are_named_and_files_and_hidden_folders_are_not(
    tmp_path: Path,
) -> None:
    for name in ("foreign", "unrendered", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "unrendered" / "run.json").write_text("{}")
    (tmp_path / "compare.html").write_text("")
    runs, left_out = results.find(tmp_path)
    assert runs == ()
    assert [each.folder for each in left_out] == ["foreign", "unrendered"]
    assert "no run" in left_out[0].why
    assert "command report" in left_out[1].why


def test_a_folder_that_does_not_exist_has_no_runs(tmp_path: Path) -> None:
    assert results.find(tmp_path / "none") == ((), ())


def test_infinite_and_negative_speed_ups_are_damage(tmp_path: Path) -> None:
    for name, value in (("a", "1e999"), ("b", "-1.0"), ("c", "0")):
        text = json.dumps(content()).replace('"speed_up": 1.25', f'"speed_up": {value}', 1)
        assert value in text
        put(tmp_path, name, text)
    assert len(results.find(tmp_path)[1]) == 3


def test_a_rehearsal_says_what_makes_it_one() -> None:
    found = results.Results.model_validate_json(
        json.dumps(content(size="tiny", backend="aot_eager"))
    )
    assert found.rehearsal == "shrunken models, backend aot_eager"

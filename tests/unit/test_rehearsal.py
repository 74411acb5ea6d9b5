"""A run on a fake GPU, or of shrunken models, says wherever it is shown that it is no result."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.changes import change_words, changes, gate
from orchestrator.cli import change_summary, summary
from orchestrator.cli.console import Terminal
from orchestrator.compare import peaks, published, rehearsal
from orchestrator.compare.comparison import Comparison
from orchestrator.page import exports, page_data, tables
from orchestrator.page.answer import answer
from orchestrator.publish import change_page, figures, index_page, report, results, trends
from orchestrator.publish.baseline import against_run
from tests.factories import case, comparison, environment, measurement, outcome, plan

FAKE = "Fake A100-SXM4-40GB"
REAL = "NVIDIA A100-SXM4-40GB"
PAGE = Path("report.html")


def run(gpu: str = FAKE, ratio: float = 1.25) -> Comparison:
    cases = [case("vit-base"), case("resnet-50")]
    found = [measurement(one, compiled_s=0.01 / ratio, noise=0.01) for one in cases]
    return comparison(outcome("local", *found, of=environment(gpu)), of=plan(cases))


@pytest.mark.parametrize(
    ("size", "backend", "devices", "words"),
    [
        ("full", "inductor", [REAL], ""),
        (None, None, [], ""),
        ("tiny", "inductor", [REAL], "shrunken models"),
        ("full", "aot_eager", [REAL], "backend aot_eager"),
        ("full", "inductor", [REAL, FAKE], "a fake GPU"),
        ("full", "inductor", [" fake T4"], "a fake GPU"),
        ("full", "inductor", ["NVIDIA Fakeer"], ""),
        ("tiny", "aot_eager", [FAKE], "shrunken models, backend aot_eager, a fake GPU"),
    ],
)
def test_one_place_says_what_is_a_rehearsal_and_why(
    size: str | None, backend: str | None, devices: list[str], words: str
) -> None:
    assert rehearsal.in_words(rehearsal.causes(size, backend, devices)) == words


def test_the_answer_says_so_first_and_why_last() -> None:
    found = answer(run())
    assert found.headline == f"A rehearsal, no result: yes, in every case on {FAKE}"
    assert found.sentence.endswith("It was a rehearsal and is no result: a fake GPU.")
    assert "rehearsal" not in answer(run(REAL)).headline + answer(run(REAL)).sentence


def test_the_page_says_so_in_its_title_its_headline_and_on_its_card() -> None:
    page = report.render(run())
    assert ">Rehearsal: worth it in every case<" in page
    assert f"<title>A rehearsal, no result: yes, in every case on {FAKE}" in page
    assert "A fake GPU computes nothing and makes up its times: a rehearsal, not a result." in page
    assert "rehearsal" not in report.render(run(REAL)).partition('id="data"')[0]


def test_the_terminal_says_so_in_its_last_line_and_for_programs() -> None:
    last = summary.to_text(run(), PAGE, None).splitlines()[-1]
    assert last.startswith("A rehearsal, no result: ")
    assert json.loads(summary.to_json(run(), PAGE))["rehearsal"] == "a fake GPU"
    assert json.loads(summary.to_json(run(REAL), PAGE))["rehearsal"] is None


def test_every_row_of_an_export_says_so_and_other_exports_keep_their_columns() -> None:
    (header, *rows) = csv.reader(io.StringIO(exports.to_csv(run())))
    assert header[-1] == "rehearsal"
    assert {row[-1] for row in rows} == {"a fake GPU"}
    found = json.loads(exports.to_json(run()))
    assert found["run"]["rehearsal"] == "a fake GPU"
    assert found["about"].startswith("A rehearsal, no result: a fake GPU.")
    assert {row["rehearsal"] for row in found["rows"]} == {"a fake GPU"}
    assert exports.to_markdown(run()).startswith("**A rehearsal, no result: a fake GPU.**\n\n###")
    for text in (exports.to_csv(run(REAL)), exports.to_json(run(REAL))):
        assert "rehearsal" not in text
    assert exports.to_markdown(run(REAL)).startswith("###")


def test_what_the_page_downloads_is_what_was_exported() -> None:
    packed, _ = page_data.unpacked(page_data.block(run(), tables.results(run()), ()))
    (header, *rows) = csv.reader(io.StringIO(exports.to_csv(run())))
    assert packed["columns"] == header
    assert packed["values"][-1] == ["a fake GPU"] * len(rows)  # type: ignore[index]
    assert packed["markdown"] == exports.to_markdown(run())
    assert "rehearsal" not in json.dumps(
        page_data.unpacked(page_data.block(run(REAL), tables.results(run(REAL)), ()))[0]
    )


def test_a_gate_between_two_rehearsals_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    found = changes.between(run(ratio=2.0), run(ratio=1.1))
    passed = gate.judge(found, 5)
    assert passed.exit_code == gate.REGRESSED
    Terminal("none").regressions(passed)
    assert "2026-11-23-a (a rehearsal: a fake GPU) by more than 5 %" in capsys.readouterr().err


def test_a_chart_says_so_wherever_it_goes() -> None:
    for figure in figures.figures(run()):
        assert ">A rehearsal, no result · torch 2.13.0 · run" in figure.svg
    assert not any("rehearsal" in figure.svg for figure in figures.figures(run(REAL)))


def test_a_fake_gpu_is_not_held_against_the_one_whose_name_it_bears() -> None:
    assert published.find(REAL, "google/vit-base-patch16-224", "default", 1) is not None
    assert published.find(FAKE, "google/vit-base-patch16-224", "default", 1) is None
    device = environment(FAKE).device
    assert peaks.peak_flops(device, "ieee") is None
    assert changes.between(run(REAL), run()).matches == ()
    words = change_words.said(changes.between(run(REAL), run()))
    assert "was a rehearsal and is no result: a fake GPU. A rehearsal is compared" in words.sentence


def test_two_rehearsals_are_compared_and_called_what_they_are() -> None:
    found = changes.between(run(), run(ratio=1.1))
    assert len(found.compared) == 2
    said = change_words.said(found)
    assert said.headline.startswith("A rehearsal, no result: compiled code is slower in 2 of 2")
    assert said.sentence.endswith("Both runs were rehearsals and are no results: a fake GPU.")
    assert said.headline in change_page.render(found)
    told = change_page.to_json(found)
    assert told["rehearsals"] == {"before": "a fake GPU", "after": "a fake GPU"}
    last = change_summary.to_text(found, PAGE, None).splitlines()[-1]
    assert last.startswith("A rehearsal, no result: ")
    assert said.headline in report.render(run(ratio=1.1), against_run(found))


def test_a_run_that_went_on_with_a_real_gpu_stays_a_rehearsal() -> None:
    cases = [case("vit-base"), case("resnet-50")]
    found = outcome("local", *map(measurement, cases))
    both = replace(found, environments=(environment(FAKE), environment(REAL)))
    mixed = comparison(both, of=plan(cases))
    assert mixed.hosts[0].gpu == REAL
    assert mixed.rehearsal == "a fake GPU"
    read = results.Results.model_validate_json(exports.to_json(mixed))
    assert read.rehearsal == "a fake GPU"


def on_disk(output: Path, name: str, of: Comparison) -> None:
    (output / name).mkdir(parents=True)
    (output / name / results.NAME).write_text(exports.to_json(of))


def test_the_list_of_runs_and_their_trends_say_so(tmp_path: Path) -> None:
    for name in ("one", "two"):
        on_disk(tmp_path, f"fake-{name}", run())
        on_disk(tmp_path, f"real-{name}", run(REAL))
    runs, _ = results.find(tmp_path)
    fake, real = sorted(trends.groups(runs), key=lambda group: group.gpu != FAKE)
    assert all("rehearsal: a fake GPU" in trend.setting for trend in fake.trends)
    assert not any("a fake GPU" in trend.setting for trend in real.trends)
    page = index_page.rebuild(tmp_path).page.read_text()
    assert page.count("A rehearsal, not a result: a fake GPU.") == 2
    assert page.count(f"A rehearsal, no result: yes, in every case on {FAKE}") == 2


def test_what_an_earlier_version_exported_is_called_a_rehearsal_all_the_same(
    tmp_path: Path,
) -> None:
    told = json.loads(exports.to_json(run()))
    told["run"] |= {"answer": f"Yes, in every case on {FAKE}"}
    del told["run"]["rehearsal"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / results.NAME).write_text(json.dumps(told))
    page = index_page.rebuild(tmp_path).page.read_text()
    assert f"A rehearsal, no result: Yes, in every case on {FAKE}" in page

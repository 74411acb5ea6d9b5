from __future__ import annotations

import csv
import io
import json

import pytest

from orchestrator.compare.comparison import Comparison
from orchestrator.compare.published_table import build_published
from orchestrator.page.exports import to_csv, to_json, to_markdown
from tests.factories import case, comparison, environment, failure, measurement, outcome, plan
from tests.unit.test_report import hostile


def run() -> Comparison:
    return comparison(
        outcome("a100", measurement(case(batch_size=1)), failure(case(batch_size=4), "oom"))
    )


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_line_per_case_with_units_in_its_names() -> None:
    measured, failed = table(to_csv(run()))
    assert float(measured["eager_mean_s"]) == pytest.approx(0.010)
    assert measured["verdict"] == "faster"
    assert measured["pays_back"] == "true"
    assert (failed["verdict"], failed["failure_reason"], failed["eager_mean_s"]) == (
        "failed",
        "oom",
        "",
    )


def test_csv_cells_that_a_spreadsheet_would_run_are_quoted() -> None:
    hosts = ("=1+1", "+1", "-1", "@sum", "\tx", "\rx", "a100", "＝1")
    rows = table(to_csv(comparison(*(outcome(host, measurement()) for host in hosts))))
    written = [row["host"] for row in rows]
    assert written == ["'=1+1", "'+1", "'-1", "'@sum", "'\tx", "x", "a100", "'＝1"]


def test_csv_keeps_numbers_that_are_negative() -> None:
    (row,) = table(to_csv(comparison(outcome("a100", measurement(compiled_s=0.02)))))
    assert float(row["time_saved"]) == -1.0


def test_json_is_strict_and_says_what_it_holds() -> None:
    content = json.loads(to_json(run()), parse_constant=lambda name: 1 / 0)
    assert content["format"] == "torch-compile-vision-benchmark"
    assert content["version"] == 1
    assert content["hosts"][0]["host"] == "a100"
    assert content["rows"][0]["speed_up"] == pytest.approx(1.25)
    assert content["rows"][1]["speed_up"] is None


def test_json_and_csv_have_the_same_columns_in_the_same_order() -> None:
    rows = json.loads(to_json(run()))["rows"]
    assert list(rows[0]) == list(table(to_csv(run()))[0])


def test_json_of_published_means_claims_no_median() -> None:
    row = json.loads(to_json(build_published()))["rows"][0]
    assert row["eager_mean_s"] == 0.009325
    assert row["eager_median_s"] is None
    assert row["verdict"] == "published"


def test_markdown_repeats_the_published_layout() -> None:
    lines = to_markdown(build_published()).splitlines()
    assert lines[0] == "### A100 (batch size: 1)"
    assert lines[2] == "| Task/Model | torch 2.0.1 - no compile | torch 2.0.1 - compile |"
    assert lines[4] == "| Image Classification/ViT | 9.325 | 7.584 |"


def test_markdown_names_failures_in_place() -> None:
    assert "| Image Classification/ViT | OOM | OOM |" in to_markdown(run())


def test_markdown_headings_name_mode_and_precision_where_they_differ_from_the_published_page() -> (
    None
):
    special = case(recipe="reduce-overhead", precision="float16")
    text = to_markdown(comparison(outcome("a100", measurement(special))))
    assert text.startswith("### A100-SXM4-40GB (batch size: 1, reduce-overhead, float16)")


def test_markdown_lets_no_name_break_out_of_its_cell() -> None:
    hostile = measurement(case("x|y\n| z | <script>alert(1)</script> [l](u)"))
    found = environment(torch="2|\n3")
    text = to_markdown(comparison(outcome("a100", hostile, of=found)))
    lines = [line for line in text.splitlines() if line]
    assert len(lines) == 4
    assert all(line.replace("\\|", "").count("|") == 4 for line in lines[1:])
    assert "<script>" not in text.replace("\\<", "")


def test_the_same_comparison_gives_the_same_bytes() -> None:
    for export in (to_csv, to_json, to_markdown):
        assert export(run()) == export(run())


def test_the_json_is_indented_as_one_object_whatever_is_in_it() -> None:
    for run in (comparison(of=plan()), build_published(), hostile()):
        text = to_json(run)
        assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n"

"""What holds for every figure of a case, wherever it is shown."""

from __future__ import annotations

from orchestrator.page import metrics
from orchestrator.page.metrics import COLUMNS, DIALOG_LINES, METRICS, TABLE_COLUMNS
from tests.factories import case, comparison, failure, measurement, outcome


def test_a_table_column_sorts_by_a_column_that_is_exported() -> None:
    assert {column.key for column in TABLE_COLUMNS} <= COLUMNS.keys()
    assert len({column.title for column in TABLE_COLUMNS}) == len(TABLE_COLUMNS)
    assert len({line.title for line in DIALOG_LINES}) == len(DIALOG_LINES)


def test_columns_that_were_ever_published_keep_their_places() -> None:
    assert tuple(COLUMNS)[: len(metrics._PUBLISHED)] == metrics._PUBLISHED
    assert COLUMNS.keys() == {name for metric in METRICS for name in metric.columns}


def test_every_figure_can_be_read_of_a_case_without_times() -> None:
    (row,) = comparison(outcome("a100", failure(case("someone/else"), "oom"))).rows
    assert {name for name, read in COLUMNS.items() if read(row) is not None} == {
        "host", "gpu", "model", "label", "mode", "precision", "batch_size", "verdict",
        "threshold", "failure_reason", "failure_stage", "failure_message", "note",
    }  # fmt: skip
    assert all(line.write(row) == "–" for line in DIALOG_LINES)


def test_every_figure_can_be_read_of_a_case_measured_on_a_cpu() -> None:
    (row,) = comparison(outcome("a100", measurement())).rows
    for column in TABLE_COLUMNS:
        assert column.write(row).text
    assert all(line.write(row) for line in DIALOG_LINES)


def test_memory_that_compiling_saves_is_a_share_of_what_eager_calls_need() -> None:
    found = measurement().model_copy(
        update={"eager_peak_memory_bytes": 400 << 20, "compiled_peak_memory_bytes": 500 << 20}
    )
    (row,) = comparison(outcome("a100", found)).rows
    assert COLUMNS["memory_saved"](row) == -0.25
    (column,) = (each for each in TABLE_COLUMNS if each.key == "memory_saved")
    assert column.write(row).text == "−25 %".replace(" ", "\N{NO-BREAK SPACE}")
    unknown = found.model_copy(update={"eager_peak_memory_bytes": None})
    (row,) = comparison(outcome("a100", unknown)).rows
    assert COLUMNS["memory_saved"](row) is None

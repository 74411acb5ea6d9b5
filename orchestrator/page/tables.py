"""A comparison -> the table of all results (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Comparison, Row
from orchestrator.page.metrics import TABLE_COLUMNS, Field, TableColumn
from orchestrator.page.naming import host_name
from orchestrator.wording import NOTHING

_EMPTY: Final = Field("")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that says which case it is; `key` names the exported column that it sorts by."""

    title: str
    key: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A line of the results: the case in words, then a field per value column."""

    index: int
    row: Row
    case: tuple[str, ...]
    verdict: Field
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """The table of all results. Columns that would be empty or the same in every line are left
    out, except for model, batch and verdict."""

    case_columns: tuple[Column, ...]
    value_columns: tuple[TableColumn, ...]
    lines: tuple[ResultLine, ...]


_CASE: Final = (
    Column("Host", "host"),
    Column("Mode", "mode"),
    Column("Precision", "precision"),
    Column("Batch", "batch_size"),
)


def results(comparison: Comparison) -> Results:
    """One line per case and host, in the order of the run."""
    rows = comparison.rows
    names = {host.host: host_name(host, comparison.hosts) for host in comparison.hosts}
    cases = [_case(row, names) for row in rows]
    fields = [[_field(column, row) for column in TABLE_COLUMNS] for row in rows]
    shown = [
        place
        for place, column in enumerate(_CASE)
        if column.key == "batch_size" or len({case[place] for case in cases}) > 1
    ]
    filled = [
        place
        for place in range(len(TABLE_COLUMNS))
        if any(line[place].text not in {"", NOTHING} for line in fields)
    ]
    lines = tuple(
        ResultLine(
            index,
            row,
            tuple(cases[index][place] for place in shown),
            _verdict(row),
            tuple(fields[index][place] for place in filled),
        )
        for index, row in enumerate(rows)
    )
    return Results(
        tuple(_CASE[place] for place in shown),
        tuple(TABLE_COLUMNS[place] for place in filled),
        lines,
    )


def _case(row: Row, names: Mapping[str, str]) -> tuple[str, ...]:
    """The case in words, in the order of _CASE."""
    case = row.case
    return names.get(row.host, row.host), case.mode, case.precision, str(case.batch_size)


def _verdict(row: Row) -> Field:
    notes = [wording.reason(row.problem.reason)] if row.verdict == "failed" and row.problem else []
    notes += [row.note] if row.note else []
    return Field(f"{wording.SYMBOLS[row.verdict]} {row.verdict}", "; ".join(notes))


def _field(column: TableColumn, row: Row) -> Field:
    has_times = row.eager is not None and row.compiled is not None and row.speed_up is not None
    return column.write(row) if has_times or column.without_times else _EMPTY

"""What compiling costs, and when that is paid back."""

from __future__ import annotations

from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.page.metrics.metric import (
    UNKNOWN,
    Field,
    Metric,
    Reader,
    Scalar,
    TableColumn,
    of_measurement,
)


def break_even(row: Row) -> str:
    """Inferences until compiling is paid back, where the verdict supports it: elsewhere the gain
    may be noise."""
    if row.verdict == "slower":
        return "never"
    return wording.break_even(row.break_even) if row.verdict == "faster" else wording.NOTHING


def _first_call(row: Row) -> Field:
    """Below it that of a process with filled caches."""
    if row.compile_s is None:
        return UNKNOWN
    warm_s = row.measurement.warm_first_call_s if row.measurement else None
    small = "" if warm_s is None else f"filled caches: {wording.seconds(warm_s)}"
    return Field(wording.seconds(row.compile_s), small)


def _break_even(row: Row) -> Field:
    if row.compile_s is None:
        return UNKNOWN
    if row.verdict != "faster":
        return Field(break_even(row))
    notes = [wording.break_even_interval(row.break_even)]
    if row.warm_break_even is not None:
        notes.append(f"filled caches: {wording.break_even(row.warm_break_even)}")
    return Field(break_even(row), "; ".join(filter(None, notes)))


def _bound(place: int) -> Reader:
    def of_row(row: Row) -> Scalar:
        interval = row.break_even.interval if row.break_even else None
        return None if interval is None else interval[place]

    return of_row


METRICS: Final = (
    Metric(
        {
            "compile_s": lambda row: row.compile_s,
            "warm_first_call_s": of_measurement("warm_first_call_s"),
        },
        TableColumn("Compile time", "compile_s", _first_call, "first call, empty caches"),
    ),
    Metric(
        {
            "break_even_inferences": lambda row: (
                row.break_even.inferences if row.break_even else None
            ),
            "pays_back": lambda row: (
                row.break_even.inferences is not None if row.break_even else None
            ),
            "break_even_low_inferences": _bound(0),
            "break_even_high_inferences": _bound(1),
            "warm_break_even_inferences": lambda row: (
                row.warm_break_even.inferences if row.warm_break_even else None
            ),
        },
        TableColumn("Break-even", "break_even_inferences", _break_even, "inferences"),
    ),
)

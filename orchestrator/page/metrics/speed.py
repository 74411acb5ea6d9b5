"""How long calls took, and what compiling gained."""

from __future__ import annotations

from collections.abc import Callable
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
    change,
)
from orchestrator.statistics.statistics import Estimate, Summary


def _bounds(name: str, pick: Callable[[Row], Estimate | None]) -> dict[str, Reader]:
    """An estimate and the ends of its interval, a column each."""

    def read(part: str) -> Reader:
        def of_row(row: Row) -> Scalar:
            estimate = pick(row)
            return None if estimate is None else getattr(estimate, part)

        return of_row

    return {name: read("value"), f"{name}_low": read("low"), f"{name}_high": read("high")}


def _summary(name: str, pick: Callable[[Row], Summary | None]) -> dict[str, Reader]:
    """The times of one variant, a column each; a published row has means alone."""

    def read(of_summary: Callable[[Summary], float | None], *, raw: bool = False) -> Reader:
        def of_row(row: Row) -> Scalar:
            summary = pick(row)
            return None if summary is None or (raw and row.mean_only) else of_summary(summary)

        return of_row

    return {
        f"{name}_mean_s": read(lambda summary: summary.mean.value),
        f"{name}_mean_low_s": read(lambda summary: summary.mean.low),
        f"{name}_mean_high_s": read(lambda summary: summary.mean.high),
        f"{name}_median_s": read(lambda summary: summary.median_s, raw=True),
        f"{name}_p5_s": read(lambda summary: summary.p5_s, raw=True),
        f"{name}_p95_s": read(lambda summary: summary.p95_s, raw=True),
    }


def _estimate(
    pick: Callable[[Row], Estimate | None], write: Callable[[float], str]
) -> Callable[[Row], Field]:
    def of_row(row: Row) -> Field:
        estimate = pick(row)
        assert estimate is not None
        return Field(write(estimate.value), wording.interval(estimate, write))

    return of_row


def _medians(row: Row) -> Field:
    if row.mean_only or row.eager is None or row.compiled is None:
        return UNKNOWN
    return Field(change(row.eager.median_s * 1000, row.compiled.median_s * 1000, "ms"))


def _spread(pick: Callable[[Row], Summary | None]) -> Callable[[Row], Field]:
    def of_row(row: Row) -> Field:
        found = pick(row)
        if row.mean_only or found is None:
            return UNKNOWN
        low, high = wording.significant(found.p5_s * 1000), wording.milliseconds(found.p95_s)
        return Field(f"{low} to {high}")

    return of_row


def _eager(row: Row) -> Summary | None:
    return row.eager


def _compiled(row: Row) -> Summary | None:
    return row.compiled


def _speed_up(row: Row) -> Estimate | None:
    return row.speed_up


def _time_saved(row: Row) -> Estimate | None:
    return row.time_saved


_MS: Final = wording.milliseconds

METRICS: Final = (
    Metric(
        _bounds("speed_up", _speed_up),
        TableColumn(
            "Speed-up", "speed_up", _estimate(_speed_up, wording.speed_up), "eager ÷ compiled"
        ),
    ),
    Metric(
        _bounds("time_saved", _time_saved),
        TableColumn(
            "Time saved",
            "time_saved",
            _estimate(_time_saved, wording.percent),
            "share of eager time",
        ),
    ),
    Metric(
        _summary("eager", _eager),
        TableColumn(
            "Eager mean",
            "eager_mean_s",
            _estimate(lambda row: row.eager.mean if row.eager else None, _MS),
            "per call",
        ),
    ),
    Metric(
        _summary("compiled", _compiled),
        TableColumn(
            "Compiled mean",
            "compiled_mean_s",
            _estimate(lambda row: row.compiled.mean if row.compiled else None, _MS),
            "per call",
        ),
    ),
    Metric(table=TableColumn("Median", "compiled_median_s", _medians, "eager → compiled")),
    Metric(table=TableColumn("p5 to p95, eager", "eager_p95_s", _spread(_eager))),
    Metric(table=TableColumn("p5 to p95, compiled", "compiled_p95_s", _spread(_compiled))),
)

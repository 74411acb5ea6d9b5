"""The published table as a run of its own (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.contract.plan import Case
from orchestrator.compare import published
from orchestrator.compare.comparison import Comparison, HostSummary, Problem, Row, RunInfo
from orchestrator.compare.published import PublishedRow
from orchestrator.statistics import statistics
from orchestrator.statistics.statistics import Estimate, Summary

PUBLISHED_RUN: Final = "published"


def build_published() -> Comparison:
    """The published table as a run of its own; a host is a GPU with a release of torch."""
    info = RunInfo(PUBLISHED_RUN, "2023", "", None)
    rows = tuple(_published_row(row) for row in published.rows())
    names = dict.fromkeys(row.host for row in rows)
    hosts = tuple(_published_host([row for row in rows if row.host == name]) for name in names)
    return Comparison(info, hosts, rows)


def _published_host(rows: Sequence[Row]) -> HostSummary:
    return HostSummary(
        host=rows[0].host, gpu=rows[0].gpu, ending="finished", environment=None, rows=tuple(rows)
    )


def _published_row(row: PublishedRow) -> Row:
    case = Case(
        model=row.hub_id,
        recipe="reduce-overhead" if row.mode == "reduce-overhead" else "default",
        precision="float32",
        batch_size=row.batch_size,
    )
    host = f"{row.gpu} · torch {row.torch}"
    if row.eager_s is None or row.compiled_s is None:
        problem = Problem("oom", None, "out of memory, says the published page", "")
        return Row(host, row.gpu, case, row.label, row.task, "failed", problem=problem)
    ratio = Estimate(row.eager_s / row.compiled_s, None, None)
    return Row(
        host=host,
        gpu=row.gpu,
        case=case,
        label=row.label,
        task=row.task,
        verdict="published",
        eager=_mean_only(row.eager_s),
        compiled=_mean_only(row.compiled_s),
        mean_only=True,
        speed_up=ratio,
        time_saved=statistics.time_saved(ratio),
        note=row.note,
    )


def _mean_only(mean_s: float) -> Summary:
    return Summary(Estimate(mean_s, None, None), mean_s, mean_s, mean_s, 300)

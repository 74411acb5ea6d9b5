"""Which case a row is of, and what became of it."""

from __future__ import annotations

from typing import Final

from orchestrator.page.metrics.metric import Metric, Reader


def _of_problem(name: str) -> Reader:
    return lambda row: None if row.problem is None else getattr(row.problem, name)


METRICS: Final = (
    Metric(
        {
            "host": lambda row: row.host,
            "gpu": lambda row: row.gpu or None,
            "model": lambda row: row.case.model,
            "label": lambda row: row.label,
            "task": lambda row: row.task,
            "mode": lambda row: row.case.mode,
            "precision": lambda row: row.case.precision,
            "batch_size": lambda row: row.case.batch_size,
            "verdict": lambda row: row.verdict,
            "note": lambda row: row.note,
        }
    ),
    Metric(
        {
            "failure_reason": _of_problem("reason"),
            "failure_stage": _of_problem("stage"),
            "failure_message": _of_problem("message"),
        }
    ),
    Metric(
        {
            "node": lambda row: row.origin.node or None if row.origin else None,
            "gpu_uuid": lambda row: row.origin.gpu_uuid or None if row.origin else None,
            "attempt": lambda row: row.origin.number if row.origin else None,
        }
    ),
)

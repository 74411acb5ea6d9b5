"""How much memory a device needs at its height, and what compiling saves of it."""

from __future__ import annotations

from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.page.metrics.metric import UNKNOWN, Field, Metric, TableColumn


def _saved(row: Row) -> float | None:
    """A share of the peak of eager calls; negative where compiled ones need more."""
    found = row.measurement
    if found is None or not found.eager_peak_memory_bytes:
        return None
    if found.compiled_peak_memory_bytes is None:
        return None
    return 1 - found.compiled_peak_memory_bytes / found.eager_peak_memory_bytes


def _shown(row: Row) -> Field:
    saved = _saved(row)
    return UNKNOWN if saved is None else Field(wording.percent(saved))


METRICS: Final = (
    Metric(
        {"memory_saved": _saved},
        TableColumn("Memory saved", "memory_saved", _shown, "share of eager peak"),
    ),
)

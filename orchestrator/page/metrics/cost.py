"""What a million images cost in dollars."""

from __future__ import annotations

from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.page.metrics.metric import UNKNOWN, Field, Metric, Reader, TableColumn


def _cost(variant: int) -> Reader:
    return lambda row: (
        None if row.cost_per_million_images is None else row.cost_per_million_images[variant]
    )


def _costs(row: Row) -> Field:
    costs = row.cost_per_million_images
    return UNKNOWN if costs is None else Field(" → ".join(map(wording.significant, costs)))


METRICS: Final = (
    Metric(
        {
            "eager_usd_per_million_images": _cost(0),
            "compiled_usd_per_million_images": _cost(1),
        },
        TableColumn(
            "Cost per million images",
            "compiled_usd_per_million_images",
            _costs,
            "USD, eager → compiled",
        ),
    ),
)

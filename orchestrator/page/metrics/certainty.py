"""How sure a speed-up is."""

from __future__ import annotations

from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.page.metrics.metric import UNKNOWN, Field, Metric, TableColumn, of_measurement


def _calls(row: Row) -> Field:
    found = row.measurement
    if found is None or row.eager is None:
        return UNKNOWN
    return Field(wording.count(row.eager.calls), "stopped early" if found.stopped_early else "")


def _adjusted_p(row: Row) -> Field:
    if row.measurement is None or row.eager is None:
        return UNKNOWN
    return Field(wording.p_value(row.adjusted_p))


METRICS: Final = (
    Metric(
        {
            "calls_per_variant": lambda row: row.eager.calls if row.eager else None,
            "stopped_early": of_measurement("stopped_early"),
        },
        TableColumn("Calls", "calls_per_variant", _calls, "per variant"),
    ),
    Metric(
        {
            "p_value": lambda row: row.speed_up.p_value if row.speed_up else None,
            "p_value_adjusted": lambda row: row.adjusted_p,
            "threshold": lambda row: row.threshold,
        },
        TableColumn("Adjusted p", "p_value_adjusted", _adjusted_p, "over the whole page"),
    ),
)

"""Every figure of a case, each written once: the exports, the table and the dialog read them here.

To add one is to add it to a module, or a module and its line here, in the order of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestrator.page.metrics import case, certainty, compiling, cost, device, memory, proof, speed
from orchestrator.page.metrics.metric import DialogLine, Field, Metric, Reader, Scalar, TableColumn

__all__ = [
    "COLUMNS",
    "DIALOG_LINES",
    "METRICS",
    "TABLE_COLUMNS",
    "DialogLine",
    "Field",
    "Metric",
    "Reader",
    "Scalar",
    "TableColumn",
]  # fmt: skip

METRICS: Final[tuple[Metric, ...]] = (
    *case.METRICS,
    *speed.METRICS,
    *compiling.METRICS,
    *cost.METRICS,
    *device.METRICS,
    *memory.METRICS,
    *proof.METRICS,
    *certainty.METRICS,
)
TABLE_COLUMNS: Final[tuple[TableColumn, ...]] = tuple(each.table for each in METRICS if each.table)
DIALOG_LINES: Final[tuple[DialogLine, ...]] = tuple(each.dialog for each in METRICS if each.dialog)

# Who reads the exports may count columns: those that were ever published keep their places.
_PUBLISHED: Final = (
    "host", "gpu", "model", "label", "task", "mode", "precision", "batch_size", "verdict",
    "eager_mean_s", "eager_mean_low_s", "eager_mean_high_s", "eager_median_s", "eager_p5_s",
    "eager_p95_s", "compiled_mean_s", "compiled_mean_low_s", "compiled_mean_high_s",
    "compiled_median_s", "compiled_p5_s", "compiled_p95_s", "calls_per_variant", "speed_up",
    "speed_up_low", "speed_up_high", "time_saved", "time_saved_low", "time_saved_high",
    "compile_s", "break_even_inferences", "pays_back", "eager_images_per_s",
    "compiled_images_per_s", "eager_peak_memory_bytes", "compiled_peak_memory_bytes",
    "relative_error", "tolerance", "graphs", "graph_breaks", "published_torch",
    "published_eager_s", "published_compiled_s", "failure_reason", "failure_stage",
    "failure_message", "note", "eager_usd_per_million_images", "compiled_usd_per_million_images",
    "p_value", "p_value_adjusted", "threshold", "break_even_low_inferences",
    "break_even_high_inferences", "warm_first_call_s", "warm_break_even_inferences",
    "eager_device_median_s", "eager_enqueue_median_s", "eager_busy_median_s", "eager_bound",
    "eager_utilisation", "eager_joules_per_image", "eager_sm_clock_mhz",
    "compiled_device_median_s", "compiled_enqueue_median_s", "compiled_busy_median_s",
    "compiled_bound", "compiled_utilisation", "compiled_joules_per_image",
    "compiled_sm_clock_mhz", "flops_per_image", "eager_process_memory_bytes",
    "compiled_process_memory_bytes", "retaken_blocks", "stopped_early", "node", "gpu_uuid",
    "attempt",
)  # fmt: skip


def _in_order() -> dict[str, Reader]:
    """The columns of all metrics: the published ones as they were, then new ones."""
    every = [pair for metric in METRICS for pair in metric.columns.items()]
    columns = dict(every)
    assert len(columns) == len(every), "two metrics have a column of the same name"
    return {name: columns[name] for name in dict.fromkeys((*_PUBLISHED, *columns))}


COLUMNS: Final[Mapping[str, Reader]] = _in_order()

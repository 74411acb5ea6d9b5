"""What the device tells of a case: what limits it, how much it did, its memory, energy, clocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.compare.facts import VariantFacts
from orchestrator.page.metrics.metric import (
    UNKNOWN,
    DialogLine,
    Field,
    Metric,
    Reader,
    Scalar,
    TableColumn,
    change,
    of_measurement,
    pair,
)
from orchestrator.wording import NOTHING

_WALL_ONLY: Final = Field("wall only", "measured on a CPU")


def _both(field: str, column: str = "") -> dict[str, Reader]:
    """What is known of each variant beside its wall times, a column each."""

    def read(variant: str) -> Reader:
        def of_row(row: Row) -> Scalar:
            if row.facts is None:
                return None
            found: Scalar = getattr(getattr(row.facts, variant), field)
            return found

        return of_row

    return {f"{variant}_{column or field}": read(variant) for variant in ("eager", "compiled")}


def _facts(
    write: Callable[[VariantFacts, VariantFacts], str], on_cpu: Field = UNKNOWN
) -> Callable[[Row], Field]:
    """A field of what a GPU tells of both variants."""

    def of_row(row: Row) -> Field:
        if row.facts is None or row.measurement is None:
            return UNKNOWN
        if row.measurement.clock == "cpu":
            return on_cpu
        return Field(write(row.facts.eager, row.facts.compiled))

    return of_row


_bound = _facts(lambda eager, compiled: pair(eager.bound, compiled.bound, str), _WALL_ONLY)
_utilisation = _facts(lambda eager, compiled: pair(eager.utilisation, compiled.utilisation, _share))
_energy = _facts(
    lambda eager, compiled: pair(eager.joules_per_image, compiled.joules_per_image, wording.joules)
)


def _limit(row: Row) -> str:
    """What limits the case: the host that launches, or the GPU."""
    if row.measurement is None:
        return NOTHING
    limit = _bound(row)
    if limit.text == NOTHING:
        return "not measured: the records lack the device's busy time"
    return f"{limit.text}, {limit.small}" if limit.small else limit.text


def _throughput(row: Row) -> Field:
    assert row.throughput is not None
    return Field(change(*row.throughput, "/s"))


def _memory(row: Row) -> Field:
    found = row.measurement
    if found is None:
        return UNKNOWN
    before, after = found.eager_peak_memory_bytes, found.compiled_peak_memory_bytes
    peak = NOTHING
    if before is not None and after is not None:
        peak = f"{wording.data_size(before)} → {wording.data_size(after)}"
    process = pair(
        found.eager_process_memory_bytes, found.compiled_process_memory_bytes, wording.data_size
    )
    return Field(peak, "" if process == NOTHING else f"process: {process}")


def _share(share: float) -> str:
    return wording.percent(share, signed=False)


METRICS: Final = (
    Metric(
        _both("bound"),
        TableColumn("Bound by", "compiled_bound", _bound, "eager → compiled"),
        DialogLine("Limited by", _limit),
    ),
    Metric(
        {
            "eager_images_per_s": lambda row: row.throughput[0] if row.throughput else None,
            "compiled_images_per_s": lambda row: row.throughput[1] if row.throughput else None,
        },
        TableColumn("Images per second", "compiled_images_per_s", _throughput, "eager → compiled"),
    ),
    Metric(
        _both("utilisation") | {"flops_per_image": of_measurement("facts", "flops_per_image")},
        TableColumn(
            "Utilisation", "compiled_utilisation", _utilisation, "of the peak, eager → compiled"
        ),
    ),
    Metric(
        _both("joules_per_image"),
        TableColumn("Energy per image", "compiled_joules_per_image", _energy, "eager → compiled"),
    ),
    Metric(
        {
            name: of_measurement(name)
            for variant in ("eager", "compiled")
            for name in (f"{variant}_peak_memory_bytes", f"{variant}_process_memory_bytes")
        },
        TableColumn("Peak memory", "compiled_peak_memory_bytes", _memory, "eager → compiled"),
    ),
    Metric(_both("device_s", "device_median_s")),
    Metric(_both("enqueue_s", "enqueue_median_s")),
    Metric(_both("busy_s", "busy_median_s")),
    Metric(_both("sm_clock_mhz")),
    Metric({"retaken_blocks": lambda row: row.facts.retaken if row.facts else None}),
)

"""The columns of the exports: an interface (pure).

Names carry their units, and a name is never given a new meaning; new ones come last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from orchestrator.compare.comparison import Row
from orchestrator.statistics.statistics import Estimate, Summary

Scalar: TypeAlias = str | int | float | bool | None


def _low(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.low


def _high(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.high


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _of_variant(name: str, pick: Callable[[Row], Summary | None]) -> dict[str, Reader]:
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


def _of_measurement(*path: str) -> Reader:
    def read(row: Row) -> Scalar:
        found: object = row.measurement
        for name in path:
            found = None if found is None else getattr(found, name)
        assert found is None or isinstance(found, str | int | float)
        return found

    return read


def _of_facts(name: str) -> dict[str, Reader]:
    """What is known of each variant beside its wall times, a column each."""
    fields = {
        "device_median_s": "device_s",
        "enqueue_median_s": "enqueue_s",
        "busy_median_s": "busy_s",
        "bound": "bound",
        "utilisation": "utilisation",
        "joules_per_image": "joules_per_image",
        "sm_clock_mhz": "sm_clock_mhz",
    }

    def read(field: str) -> Reader:
        return lambda row: getattr(getattr(row.facts, name), field) if row.facts else None

    return {f"{name}_{column}": read(field) for column, field in fields.items()}


def _break_even_bound(place: int) -> Reader:
    def of_row(row: Row) -> Scalar:
        interval = row.break_even.interval if row.break_even else None
        return None if interval is None else interval[place]

    return of_row


def _of_problem(name: str) -> Reader:
    return lambda row: None if row.problem is None else getattr(row.problem, name)


def _of_published(name: str) -> Reader:
    return lambda row: None if row.published is None else getattr(row.published, name)


def _cost(row: Row, variant: int) -> float | None:
    costs = row.cost_per_million_images
    return None if costs is None else costs[variant]


Reader: TypeAlias = Callable[[Row], Scalar]

COLUMNS: Final[dict[str, Reader]] = {
    "host": lambda row: row.host,
    "gpu": lambda row: row.gpu or None,
    "model": lambda row: row.case.model,
    "label": lambda row: row.label,
    "task": lambda row: row.task,
    "mode": lambda row: row.case.mode,
    "precision": lambda row: row.case.precision,
    "batch_size": lambda row: row.case.batch_size,
    "verdict": lambda row: row.verdict,
    **_of_variant("eager", lambda row: row.eager),
    **_of_variant("compiled", lambda row: row.compiled),
    "calls_per_variant": lambda row: row.eager.calls if row.eager else None,
    "speed_up": lambda row: _value(row.speed_up),
    "speed_up_low": lambda row: _low(row.speed_up),
    "speed_up_high": lambda row: _high(row.speed_up),
    "time_saved": lambda row: _value(row.time_saved),
    "time_saved_low": lambda row: _low(row.time_saved),
    "time_saved_high": lambda row: _high(row.time_saved),
    "compile_s": lambda row: row.compile_s,
    "break_even_inferences": lambda row: row.break_even.inferences if row.break_even else None,
    "pays_back": lambda row: row.break_even.inferences is not None if row.break_even else None,
    "eager_images_per_s": lambda row: row.throughput[0] if row.throughput else None,
    "compiled_images_per_s": lambda row: row.throughput[1] if row.throughput else None,
    "eager_peak_memory_bytes": _of_measurement("eager_peak_memory_bytes"),
    "compiled_peak_memory_bytes": _of_measurement("compiled_peak_memory_bytes"),
    "relative_error": _of_measurement("agreement", "relative_error"),
    "tolerance": _of_measurement("agreement", "tolerance"),
    "graphs": _of_measurement("compile_evidence", "graphs"),
    "graph_breaks": _of_measurement("compile_evidence", "graph_breaks"),
    "published_torch": _of_published("torch"),
    "published_eager_s": _of_published("eager_s"),
    "published_compiled_s": _of_published("compiled_s"),
    "failure_reason": _of_problem("reason"),
    "failure_stage": _of_problem("stage"),
    "failure_message": _of_problem("message"),
    "note": lambda row: row.note,
    "eager_usd_per_million_images": lambda row: _cost(row, 0),
    "compiled_usd_per_million_images": lambda row: _cost(row, 1),
    "p_value": lambda row: row.speed_up.p_value if row.speed_up else None,
    "p_value_adjusted": lambda row: row.adjusted_p,
    "threshold": lambda row: row.threshold,
    "break_even_low_inferences": _break_even_bound(0),
    "break_even_high_inferences": _break_even_bound(1),
    "warm_first_call_s": _of_measurement("warm_first_call_s"),
    "warm_break_even_inferences": lambda row: (
        row.warm_break_even.inferences if row.warm_break_even else None
    ),
    **_of_facts("eager"),
    **_of_facts("compiled"),
    "flops_per_image": _of_measurement("facts", "flops_per_image"),
    "eager_process_memory_bytes": _of_measurement("eager_process_memory_bytes"),
    "compiled_process_memory_bytes": _of_measurement("compiled_process_memory_bytes"),
    "retaken_blocks": lambda row: row.facts.retaken if row.facts else None,
    "stopped_early": _of_measurement("stopped_early"),
    "node": lambda row: row.origin.node or None if row.origin else None,
    "gpu_uuid": lambda row: row.origin.gpu_uuid or None if row.origin else None,
    "attempt": lambda row: row.origin.number if row.origin else None,
}

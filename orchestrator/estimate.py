"""How long a run will take, before it starts: an order of magnitude, not a promise.

On a CPU it follows from the model's FLOPs and the speed of a matrix product here and now; on a GPU
from the eager times that were published for a T4, the slowest of the three published GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter
from typing import Final

import numpy as np

from harness.contract import catalogue
from harness.contract.plan import Case, Plan
from orchestrator.compare import published

# Measured on a 2-core Xeon with the quick run: start-up and build, then the first compiled call.
START_UP_S: Final = 10.0
COMPILE_CPU_S: Final = 45.0
COMPILE_GPU_S: Final = 60.0
# The share of a large matrix product's speed that the twelve models reach on a CPU.
CPU_EFFICIENCY: Final = 0.5
# For a model outside the catalogue: that of a ViT-base.
UNKNOWN_FLOPS: Final = 35e9
UNKNOWN_T4_S: Final = 0.013
TINY_CALL_S: Final = 0.01
_PROBE_SIZE: Final = 1024


def seconds(plan: Plan, *, gpu: bool) -> float:
    """Estimate the wall time of a plan on one host, without what --until may save."""
    return math.fsum(case_seconds(plan, gpu=gpu))


def case_seconds(plan: Plan, *, gpu: bool) -> list[float]:
    """Estimate every case of a plan, none longer than the time limit of a case."""
    call_s = _call_s(plan, gpu=gpu)
    energy_s = 2 * plan.protocol.energy_s if gpu else 0.0
    cases_s = (
        START_UP_S
        + (0 if case.is_a_a else _compile_s(case, gpu=gpu) + energy_s)
        + _timed_s(plan, call_s(case))
        for case in (attempt.case for attempt in plan.attempts())
    )
    return [min(case_s, plan.protocol.case_limit_s) for case_s in cases_s]


def _compile_s(case: Case, *, gpu: bool) -> float:
    if not case.how.generates_code:
        return START_UP_S
    return COMPILE_GPU_S if gpu else COMPILE_CPU_S


def _call_s(plan: Plan, *, gpu: bool) -> Callable[[Case], float]:
    if plan.size == "tiny":
        return lambda case: TINY_CALL_S * case.batch_size
    return t4_call_s if gpu else _cpu_call_s(_flops_per_second())


def share_s(plan: Plan, case: Case) -> float:
    """Estimate one case on a GPU, to share cases out evenly."""
    return START_UP_S + COMPILE_GPU_S + _timed_s(plan, t4_call_s(case))


def _timed_s(plan: Plan, call_s: float) -> float:
    """Both variants: warm-up within its caps, then the timed calls."""
    protocol = plan.protocol
    warm_up_s = max(protocol.warmup_min_calls * call_s, protocol.warmup_min_s)
    return 2 * (protocol.iterations * call_s + min(warm_up_s, protocol.warmup_max_s))


def t4_call_s(case: Case) -> float:
    """Seconds that a call of the eager model takes on a T4, as published or by analogy."""
    known = catalogue.find(case.model)
    if known is None:
        return UNKNOWN_T4_S * case.batch_size
    row = published.find("T4", known.hub_id, "default", case.batch_size)
    if row is not None and row.eager_s is not None:
        return row.eager_s
    single = published.find("T4", known.hub_id, "default", 1)
    eager_s = single.eager_s if single is not None and single.eager_s is not None else UNKNOWN_T4_S
    return eager_s * case.batch_size


def _cpu_call_s(flops_per_second: float) -> Callable[[Case], float]:
    def call_s(case: Case) -> float:
        known = catalogue.find(case.model)
        flops = known.flops_per_image if known is not None else UNKNOWN_FLOPS
        return flops * case.batch_size / (CPU_EFFICIENCY * flops_per_second)

    return call_s


def _flops_per_second() -> float:
    """The best of three float32 matrix products."""
    matrix = np.random.default_rng(0).random((_PROBE_SIZE, _PROBE_SIZE), dtype=np.float32)
    best_s = min(_seconds_of_product(matrix) for _ in range(3))
    return float(2 * _PROBE_SIZE**3 / best_s)


def _seconds_of_product(matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> float:
    start_s = perf_counter()
    matrix @ matrix
    return perf_counter() - start_s

"""The speed-up's interval, beside a bootstrap of the same block sums by scipy."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter
from typing import Final

import numpy as np
import scipy.stats

from orchestrator.statistics import statistics
from orchestrator.statistics.times import Floats

REPEATS: Final = 50


def main() -> None:
    generator = np.random.default_rng(0)
    eager = (0.011 * (1 + 0.05 * generator.standard_normal((30, 10)))).tolist()
    compiled = (0.010 * (1 + 0.05 * generator.standard_normal((30, 10)))).tolist()
    statistics.speed_up(eager, compiled)
    start_s = perf_counter()
    for _ in range(REPEATS):
        statistics.speed_up(eager, compiled)
    ours_s = (perf_counter() - start_s) / REPEATS
    theirs_s = _scipy_s(np.sum(eager, axis=1), np.sum(compiled, axis=1))
    print(f"one interval: {ours_s * 1e3:.3f} ms; scipy.stats.bootstrap {theirs_s / ours_s:.0f} ×")
    special_s, stats_s = _import_s("scipy.special"), _import_s("scipy.stats")
    print(f"imports: scipy.special {special_s:.2f} s; scipy.stats {stats_s / special_s:.1f} ×")


def _scipy_s(eager: Floats, compiled: Floats) -> float:
    start_s = perf_counter()
    for _ in range(5):
        scipy.stats.bootstrap(
            (eager, compiled),
            lambda e, c, axis: e.sum(axis=axis) / c.sum(axis=axis),
            paired=True,
            method="BCa",
            n_resamples=10_000,
        )
    return (perf_counter() - start_s) / 5


def _import_s(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    return min(runs)

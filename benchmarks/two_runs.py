"""How often an interval of a change between two runs holds the truth, and what several runs cost.

Synthetic noise, seeded: levels of 30 blocks scatter by 5 %, the later run is truly 5 % slower.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from harness.contract.plan import Case
from orchestrator.changes import changes
from orchestrator.compare import comparison
from orchestrator.page import exports
from orchestrator.publish import change_page, index_page
from orchestrator.statistics import significance
from orchestrator.statistics.times import Blocks, Floats
from tests import factories

PAIRS_OF_RUNS: Final = 2_000
BLOCKS: Final = 30
CALLS: Final = 10
TRUTH: Final = 1.05
RUNS: Final = 100


def main() -> None:
    generator = np.random.default_rng(7)
    print("a promised 95 % interval holds the truth in   rounds, t   blocks, bootstrap")
    for name, levels in NOISE.items():
        ours, bootstrap = _coverage(levels, generator)
        print(f"  {name:<42} {ours:>10.1%} {bootstrap:>19.1%}")
    _cost()


def _coverage(levels: Levels, generator: np.random.Generator) -> tuple[float, float]:
    hits = [0, 0]
    for _ in range(PAIRS_OF_RUNS):
        before, after = _run(levels, generator, 1.0), _run(levels, generator, TRUTH)
        ratio = significance.change_of_mean(_blocks(before), _blocks(after)).ratio
        assert ratio.low is not None
        assert ratio.high is not None
        low, high = _bootstrap(before.mean(axis=1), after.mean(axis=1), generator)
        hits[0] += ratio.low <= TRUTH <= ratio.high
        hits[1] += low <= TRUTH <= high
    return hits[0] / PAIRS_OF_RUNS, hits[1] / PAIRS_OF_RUNS


def _run(levels: Levels, generator: np.random.Generator, mean_s: float) -> Floats:
    of_blocks = np.maximum(mean_s * (1 + 0.05 * levels(generator)), 0.1)
    calls = 1 + 0.01 * generator.standard_normal((BLOCKS, CALLS))
    return np.asarray(of_blocks[:, None] * calls, dtype=np.float64)


def _blocks(times_s: Floats) -> Blocks:
    found: list[list[float]] = times_s.tolist()
    return found


def _bootstrap(
    before: Floats, after: Floats, generator: np.random.Generator
) -> tuple[float, float]:
    """Percentiles of 2,000 ratios of means of resampled blocks, each run by itself."""
    picks = generator.integers(BLOCKS, size=(2, 2_000, BLOCKS))
    ratios = after[picks[1]].mean(axis=1) / before[picks[0]].mean(axis=1)  # shape (2000,)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def _two_clock_rates(generator: np.random.Generator) -> Floats:
    return np.where(generator.uniform(size=BLOCKS) < 0.2, 2.4, -0.6)


def _correlated(generator: np.random.Generator) -> Floats:
    """A block keeps 0.4 of what its neighbour had."""
    fresh = generator.standard_normal(BLOCKS)
    found = fresh.copy()
    for place in range(1, BLOCKS):
        found[place] = 0.4 * found[place - 1] + np.sqrt(1 - 0.4**2) * fresh[place]
    return found


Levels = Callable[[np.random.Generator], Floats]
NOISE: Final[dict[str, Levels]] = {
    "white noise": lambda generator: generator.standard_normal(BLOCKS),
    "heavy tail (t, 2.5 degrees)": lambda generator: generator.standard_t(2.5, BLOCKS),
    "two clock rates": _two_clock_rates,
    "correlated over blocks (0.4)": _correlated,
}


def _cost() -> None:
    cases = [
        Case(model=f"acme/model-{number}", recipe="default", precision="float32", batch_size=size)
        for number in range(144)
        for size in (1, 4, 16)
    ]
    records = [factories.measurement(case, noise=0.02) for case in cases]
    start_s = perf_counter()
    made = factories.comparison(factories.outcome("a100", *records))
    build_s = perf_counter() - start_s
    start_s = perf_counter()
    page = change_page.render(changes.between(made, made))
    print(f"comparing {len(cases)} cases: {(perf_counter() - start_s) / build_s:.2f} × the time")
    print(f"  in which one such run is read into tables; page {len(page) / 1e6:.2f} MB")
    _index(made, build_s)


def _index(made: comparison.Comparison, build_s: float) -> None:
    with tempfile.TemporaryDirectory() as place:
        text = exports.to_json(made)
        for number in range(RUNS):
            folder = Path(place) / f"run-{number}"
            folder.mkdir()
            (folder / "results.json").write_text(text)
        start_s = perf_counter()
        index = index_page.rebuild(Path(place))
        took_s = perf_counter() - start_s
        size_mb = index.page.stat().st_size / 1e6
    rows = len(json.loads(text)["rows"])
    print(f"index of {RUNS} runs of {rows} cases: {took_s / build_s:.1f} × that; {size_mb:.2f} MB")


if __name__ == "__main__":
    main()

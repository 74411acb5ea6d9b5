"""Whether the statistics keep their word: thousands of pages whose truth is known.

    python -m benchmarks simulation             # 1,000 pages of 36 cases per noise model
    python -m benchmarks.simulation RECORDS     # the same with the noise of other records

Noise is fitted to the samples of a real run and drawn in the order in which a harness calls; what
judges it is the code that judges every run. Seeded: the same numbers every time.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final, TypeAlias

import numpy as np
import scipy.stats

from benchmarks import noise_models
from benchmarks.noise_models import CALLS_PER_BLOCK, DRIFT, MODELS, Noise
from benchmarks.simulated_pages import (
    BLOCKS,
    CASES,
    ITERATIONS,
    PAGES,
    Page,
    Setup,
    generator_of,
    halves,
    interleaved,
    simulate,
)
from orchestrator import planning
from orchestrator.statistics import statistics, verdicts
from orchestrator.statistics.statistics import Decision, Estimate

SAMPLES: Final = Path(__file__).resolve().parent / "samples" / "records.jsonl"
EFFECT: Final = 1.03
QUIET: Final = 0.01
UNTIL: Final = 0.01
UNTIL_BLOCKS: Final = planning.protocol(ITERATIONS, quick=False, until="1%").max_blocks
BOOTSTRAPPED: Final = 2000

Line: TypeAlias = list[str]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A table: its title, its header, and what makes a line of it for a noise model."""

    title: str
    header: Line
    line: Callable[[Setup, Noise], Line]


def main(records: Path = SAMPLES) -> None:
    setup = Setup(noise_models.fit(records))
    start_s = perf_counter()
    print(f"{PAGES} pages of {CASES} cases per line; noise fitted to {records.name}:\n{setup.fit}")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for experiment in EXPERIMENTS:
            lines = pool.map(functools.partial(experiment.line, setup), MODELS)
            print(f"\n{experiment.title}\n\n{_markdown(experiment.header, lines)}", flush=True)
    print(f"\n{perf_counter() - start_s:.0f} s on {os.cpu_count()} cores")


def no_difference(setup: Setup, model: Noise) -> Line:
    """Eager against eager: how often the page, or less than all of it, finds a difference."""
    pages = simulate(setup, model, _none, of="no difference")
    alone = [[_excludes_one(ratio) for ratio in page.ratios] for page in pages]
    together = [_rejects(page.ratios) for page in pages]
    return [
        model.name,
        f"{np.mean([_differs(page.decisions) for page in pages]):.1%}",
        f"{np.mean([any(each) for each in together]):.1%}",
        f"{np.mean([any(each) for each in alone]):.0%}",
        f"{np.mean([page.floor.doubt != '' for page in pages]):.1%}",
        f"{np.median([page.floor.threshold for page in pages]):.1%}",
    ]


def coverage(setup: Setup, model: Noise) -> Line:
    """How often the interval holds the truth, and how often a bootstrap of pairs would."""
    pages = simulate(setup, model, _none, of="coverage")
    ratios = [ratio for page in pages for ratio in page.ratios]
    return [
        model.name,
        f"{1 - np.mean([_excludes_one(ratio) for ratio in ratios]):.1%}",
        f"{_bootstrap_coverage(setup, model):.1%}",
        f"{_width(pages):.2%}",
        f"{_break_even_coverage(setup, model):.1%}",
    ]


def small_difference(setup: Setup, model: Noise) -> Line:
    """Every other case is 3 % faster: how many are found, and how many others with them."""
    scales = [QUIET / model.spread(setup.fit, mean_of) for mean_of in (1, CALLS_PER_BLOCK)]
    calls, blocks = (
        simulate(setup, model, _every_other, scale, of=f"3 % at {scale}") for scale in scales
    )
    return [
        model.name,
        f"{_found(page.decisions[::2] for page in calls):.2%}",
        f"{_found(page.decisions[::2] for page in blocks):.2%}",
        f"{_found(page.decisions[1::2] for page in (*calls, *blocks)):.3%}",
    ]


def order(setup: Setup, model: Noise) -> Line:
    """What the order of calls does to the speed-up of equals on a machine that drifts."""
    drifting = Noise(model.name, model.deviations, DRIFT)
    scale = QUIET / model.spread(setup.fit)
    line = [model.name]
    for arrange in (interleaved, halves):
        pages = simulate(setup, drifting, _none, scale, of="order", arrange=arrange)
        mean = np.mean([ratio.value for page in pages for ratio in page.ratios])
        alone = [_differs(statistics.decide(ratio) for ratio in page.ratios) for page in pages]
        line += [f"{mean - 1:+.3%}", f"{np.mean(alone):.0%}"]
    noisy = np.mean([page.floor.doubt != "" for page in pages])
    return [*line, f"{noisy:.0%}"]


def early(setup: Setup, model: Noise) -> Line:
    """`--until 1%` against a run without it, at truths of 1, 1.03 and 1.10 by turns."""
    scale = QUIET / model.spread(setup.fit)
    full = simulate(setup, model, _by_turns, scale, of="early")
    short = simulate(setup, model, _by_turns, scale, of="early", blocks=UNTIL_BLOCKS, until=UNTIL)
    same = [
        a == b
        for whole, part in zip(full, short, strict=True)
        for a, b in zip(whole.decisions, part.decisions, strict=True)
    ]
    held = [
        _low(ratio) <= _by_turns(case) <= _high(ratio)
        for page in short
        for case, ratio in enumerate(page.ratios)
    ]
    pairs = [taken for page in short for taken in page.pairs]
    return [
        model.name,
        f"{np.mean(same):.2%}",
        f"{np.mean(pairs) / UNTIL_BLOCKS:.0%}",
        f"{_width(full):.2%} → {_width(short):.2%}",
        f"{np.mean(held):.1%}",
    ]


def early_without_a_difference(setup: Setup, model: Noise) -> Line:
    """How many pages find a difference that is none, with all calls and with `--until 1%`."""
    scale = QUIET / model.spread(setup.fit)
    line = [model.name]
    for blocks, until in ((BLOCKS, None), (UNTIL_BLOCKS, UNTIL)):
        pages = simulate(
            setup, model, _none, scale, of="early, nothing", blocks=blocks, until=until
        )
        line.append(f"{np.mean([any(_rejects(page.ratios)) for page in pages]):.1%}")
        line.append(f"{np.mean([_differs(page.decisions) for page in pages]):.1%}")
    return line


def _none(_case: int) -> float:
    return 1.0


def _every_other(case: int) -> float:
    return EFFECT if case % 2 == 0 else 1.0


def _by_turns(case: int) -> float:
    return (1.0, 1.03, 1.10)[case % 3]


def _differs(decisions: Iterable[Decision]) -> bool:
    return any(decision in {"faster", "slower"} for decision in decisions)


def _found(groups: Iterable[Sequence[Decision]]) -> float:
    return float(np.mean([decision == "faster" for group in groups for decision in group]))


def _rejects(ratios: Sequence[Estimate]) -> list[bool]:
    """What Benjamini-Hochberg alone would call different, however small it is."""
    judged = verdicts.judge(ratios, [0.0] * len(ratios))
    return [each.adjusted_p is not None and each.adjusted_p <= 0.05 for each in judged]


def _width(pages: Iterable[Page]) -> float:
    """The median width of an interval, as a share of its estimate."""
    return float(np.median([(_high(r) - _low(r)) / r.value for page in pages for r in page.ratios]))


def _low(ratio: Estimate) -> float:
    assert ratio.low is not None
    return ratio.low


def _high(ratio: Estimate) -> float:
    assert ratio.high is not None
    return ratio.high


def _excludes_one(ratio: Estimate) -> bool:
    return _low(ratio) > 1 or _high(ratio) < 1


def _bootstrap_coverage(setup: Setup, model: Noise) -> float:
    """The usual alternative: scipy's BCa bootstrap over pairs of blocks, on fewer cases."""
    cases = min(BOOTSTRAPPED, setup.pages * setup.cases)
    generator = generator_of(model, "bootstrap")
    times = model.draw(setup.fit, generator, (cases, 2 * ITERATIONS))
    held = 0
    for eager, compiled in zip(*(each.sum(axis=2) for each in interleaved(times)), strict=True):
        interval = scipy.stats.bootstrap(
            (eager, compiled),
            lambda e, c, axis: e.sum(axis=axis) / c.sum(axis=axis),
            paired=True,
            n_resamples=2000,
            rng=generator,
        ).confidence_interval
        held += interval.low <= 1 <= interval.high
    return held / cases


def _break_even_coverage(setup: Setup, model: Noise) -> float:
    """Compiled calls take 1 s, eager ones 1.1 s, compiling 1,000 s: how often the interval of the
    break-even holds the truth. Times are relative to their mean over all cases."""
    cases = min(5000, setup.pages * setup.cases)
    generator = generator_of(model, "break-even")
    times = model.draw(setup.fit, generator, (cases, 2 * ITERATIONS))
    eager, compiled = interleaved(times / times.mean())
    truth = (1000 - 1.1) / 0.1
    held = 0
    for a, b in zip((1.1 * eager).tolist(), compiled.tolist(), strict=True):
        interval = statistics.break_even([1000.0], a, b).interval
        assert interval is not None
        low, high = interval
        held += low is not None and low <= truth + 1 and (high is None or truth <= high)
    return held / cases


def _markdown(header: Line, lines: Iterable[Line]) -> str:
    rows = [header, ["---", *["---:"] * (len(header) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


EXPERIMENTS: Final = (
    Experiment(
        "Nothing differs: how many pages find a difference all the same",
        ["noise", "with all rules", "Benjamini-Hochberg alone", "each case by itself", "noisy",
         "threshold (median)"],
        no_difference,
    ),
    Experiment(
        "How often an interval of 95 % holds the truth",
        ["noise", "speed-up", "bootstrap of pairs", "width (median)", "break-even"],
        coverage,
    ),
    Experiment(
        "Every other case is 3 % faster: how many of them are found",
        ["noise", "calls scatter by 1 %", "means of ten do", "false among the others"],
        small_difference,
    ),
    Experiment(
        "Nothing differs, calls scatter by 1 %, and the machine slows down by 10 %",
        ["noise", "A B B A: bias", "pages with a false case", "all A, then all B: bias",
         "pages with a false case", "marked noisy by A/A"],
        order,
    ),
    Experiment(
        "--until 1% against all calls, where calls scatter by 1 %",
        ["noise", "same verdicts", "calls taken", "width, all → taken", "interval holds truth"],
        early,
    ),
    Experiment(
        "--until 1% where nothing differs: how many pages find a difference all the same",
        ["noise", "all calls: Benjamini-Hochberg alone", "with all rules",
         "--until 1%: Benjamini-Hochberg alone", "with all rules"],
        early_without_a_difference,
    ),
)  # fmt: skip


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))

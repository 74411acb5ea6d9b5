"""Pages whose truth is known, drawn from a noise model and judged as every real page is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from benchmarks.noise_models import Fit, Noise
from harness.contract.plan import Case
from harness.measure import sampling
from orchestrator.compare import noise
from orchestrator.statistics import statistics, verdicts
from orchestrator.statistics.statistics import Decision, Estimate
from orchestrator.statistics.times import Blocks, Floats

PAGES: Final = 1000
CASES: Final = 36
AA_CASES: Final = 2
AA_CASE: Final = Case(model="simulated", recipe="eager", precision="float32", batch_size=1)
ITERATIONS: Final = 300
BLOCKS: Final = 30
SEED: Final = 20230622

Pair: TypeAlias = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Setup:
    """What all experiments share: the fitted noise, and how many pages to draw."""

    fit: Fit
    pages: int = PAGES
    cases: int = CASES


@dataclass(frozen=True, slots=True)
class Page:
    """The estimates and verdicts of one simulated page, what its A/A cases said, and how many
    pairs of blocks each case took."""

    ratios: tuple[Estimate, ...]
    decisions: tuple[Decision, ...]
    floor: noise.NoiseFloor
    pairs: tuple[int, ...]


def simulate(
    setup: Setup,
    model: Noise,
    truth: Callable[[int], float],
    scale: float = 1.0,
    *,
    of: str = "",
    arrange: Callable[[Floats], Pair] | None = None,
    blocks: int = BLOCKS,
    until: float | None = None,
) -> list[Page]:
    """Draw pages and judge them.

    Args:
        truth: the speed-up of the n-th case.
        of: names the draw. Each noise model and each name has random numbers of its own, so no two
            tables rest on the same luck; what shall be compared call by call shares a name.
        blocks: how many a variant has, if `arrange` does not say otherwise.
        arrange: consecutive calls (cases, calls) -> those of both variants (cases, blocks, calls).
        until: the width of an interval at which the harness stops a case.
    """
    generator = generator_of(model, of)
    shape = (setup.cases + AA_CASES, 2 * ITERATIONS)
    factors = np.asarray([truth(case) for case in range(setup.cases)] + [1.0] * AA_CASES)
    pages = []
    for _ in range(setup.pages):
        times = model.draw(setup.fit, generator, shape, scale, ITERATIONS // blocks)
        eager, compiled = arrange(times) if arrange else interleaved(times, blocks)
        eager = eager * factors[:, None, None]
        pairs = [_pairs(*sums, until) for sums in zip(eager, compiled, strict=True)]
        pages.append(judge(eager.tolist(), compiled.tolist(), pairs, setup.cases))
    return pages


def generator_of(model: Noise, of: str) -> np.random.Generator:
    """Random numbers of their own for a noise model and a purpose, the same every time."""
    return np.random.default_rng([SEED, *f"{model.name}/{of}".encode()])


def judge(eager: list[Blocks], compiled: list[Blocks], pairs: list[int], cases: int) -> Page:
    """Judge a page as the report does; what follows the first `cases` are A/A cases."""
    taken = zip(eager, compiled, pairs, strict=True)
    ratios = tuple(statistics.speed_up(e[:count], c[:count]) for e, c, count in taken)
    floor = noise.floor([(AA_CASE, ratio) for ratio in ratios[cases:]])
    judged = verdicts.judge(ratios[:cases], [floor.threshold] * cases)
    decisions = tuple(each.decision for each in judged)
    return Page(ratios[:cases], decisions, floor, tuple(pairs[:cases]))


def _pairs(eager: Floats, compiled: Floats, until: float | None) -> int:
    """How many pairs of blocks the harness takes; both of shape (blocks, calls)."""
    blocks = len(eager)
    if until is None:
        return blocks
    sums = eager.sum(axis=1).tolist(), compiled.sum(axis=1).tolist()
    for pairs in range(sampling.least_pairs(blocks), blocks, 2):
        if sampling.relative_width(*(each[:pairs] for each in sums)) <= until:
            return pairs
    return blocks


def interleaved(times: Floats, blocks: int = BLOCKS) -> Pair:
    """Consecutive calls as the harness makes them, in blocks A B B A."""
    variants = [slot.variant for slot in sampling.schedule(ITERATIONS, blocks)]
    cut = times.reshape(len(times), len(variants), -1)
    eager = [variant == "eager" for variant in variants]
    return cut[:, eager], cut[:, [not each for each in eager]]


def halves(times: Floats) -> Pair:
    """The same calls, but all of one variant before all of the other."""
    blocks = times.reshape(len(times), 2 * BLOCKS, -1)
    return blocks[:, :BLOCKS], blocks[:, BLOCKS:]

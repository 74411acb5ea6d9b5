"""The verdicts of a page: every case by its host's threshold, all of them together (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.statistics import multiplicity, statistics
from orchestrator.statistics.statistics import Decision, Estimate


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and the p-value behind it, adjusted for all cases of the page."""

    decision: Decision
    adjusted_p: float | None


def judge(ratios: Sequence[Estimate], thresholds: Sequence[float]) -> tuple[Judged, ...]:
    """Judge all cases of a page.

    Args:
        ratios: the speed-ups of all cases of all hosts.
        thresholds: what a difference must exceed on the host of each.
    """
    adjusted = multiplicity.adjusted([ratio.p_value for ratio in ratios])
    return tuple(
        Judged(statistics.decide(ratio, threshold, p), p)
        for ratio, threshold, p in zip(ratios, thresholds, adjusted, strict=True)
    )

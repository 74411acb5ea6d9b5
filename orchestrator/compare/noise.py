"""What a host shows when nothing differs: eager timed against eager, its noise floor (pure).

An A/A case goes through the schedule, the clock and the statistics of every other case; only the
compiler is missing. Whatever its interval does not exclude, that host may show without a cause.
Hence a difference counts only above both the practical threshold and this *band*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from harness.contract.plan import Case
from harness.contract.records import Measurement
from orchestrator.compare.facts import samples
from orchestrator.statistics.statistics import PRACTICAL_THRESHOLD, Estimate, decide, speed_up

Doubt: TypeAlias = Literal["", "differs", "wide"]

# Most of what compiling gains or loses on a page would hide below a wider band.
WIDEST_BAND: Final = 0.05


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The A/A cases of one host, and what follows from them.

    `cases` has the speed-up of eager over eager for each. `band` is the largest change,
    up or down, that an interval of theirs leaves possible, as a share; None where no case had
    enough blocks. `threshold` is what a difference must exceed. `doubt` says why the host is
    noisy: its A/A case *differs* by the rules that make a verdict, or the band is too *wide*;
    empty where it is neither.
    """

    cases: tuple[tuple[Case, Estimate], ...]
    band: float | None
    threshold: float
    doubt: Doubt


def of_host(measurements: Iterable[Measurement]) -> NoiseFloor | None:
    """The noise floor that the A/A cases among the measurements of a host show, if any."""
    cases = [
        (found.case, speed_up(samples(found.blocks, "eager"), samples(found.blocks, "compiled")))
        for found in measurements
        if found.case.is_a_a
    ]
    return floor(cases) if cases else None


def floor(cases: Sequence[tuple[Case, Estimate]]) -> NoiseFloor:
    """Judge a host by its A/A cases."""
    bands = [found for _, ratio in cases if (found := band(ratio)) is not None]
    widest = max(bands, default=None)
    doubt: Doubt = ""
    if any(decide(ratio) in {"faster", "slower"} for _, ratio in cases):
        doubt = "differs"
    elif widest is not None and widest > WIDEST_BAND:
        doubt = "wide"
    return NoiseFloor(tuple(cases), widest, max(PRACTICAL_THRESHOLD, widest or 0.0), doubt)


def band(ratio: Estimate) -> float | None:
    """The largest change within an interval: max(high, 1 / low) − 1; 1.01 and 1 / 1.01 are alike.

    At least 0 for an interval that holds 1. None without an interval.
    """
    if ratio.low is None or ratio.high is None:
        return None
    return max(ratio.high, 1 / ratio.low) - 1

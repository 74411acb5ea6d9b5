"""Whether the workers of a pool agree: one case, measured on several at once and on one alone
(pure).

How far two of them are apart is told as it is; a difference within the threshold of the host, which
its noise floor sets, says nothing. The first shows what cards and nodes of one kind have of their
own, the second what a worker loses because others are busy: cores, power, air.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.contract.plan import Case
from harness.contract.records import Measurement
from orchestrator.compare.facts import samples
from orchestrator.records.outcomes import HostOutcome, Origin
from orchestrator.statistics.statistics import geometric_mean, speed_up
from orchestrator.statistics.times import Times


@dataclass(frozen=True, slots=True)
class Apart:
    """By what share results differ: mean eager times, and speed-ups; 0.02 is 2 %."""

    eager: float
    speed_up: float

    @property
    def most(self) -> float:
        return max(self.eager, self.speed_up)


@dataclass(frozen=True, slots=True)
class Spread:
    """What the controls of a pool show. `cards` measured the case while others were at work;
    `between` them, None of one alone, is the largest difference; `alone` is that between a worker
    with nobody beside it and the same card before, or all of them where that card was not among
    them; None where it was not measured.
    """

    case: Case
    cards: int
    between: Apart | None
    alone: Apart | None


@dataclass(frozen=True, slots=True)
class _Result:
    """Mean seconds per call of the eager model, the speed-up, and which card it was."""

    card: tuple[str, str]
    eager_s: float
    speed_up: float


def of_host(outcome: HostOutcome) -> Spread | None:
    """None where a host has no controls, or none that says anything."""
    if not outcome.controls:
        return None
    case = outcome.controls[0].measurement.case
    same = [one for one in outcome.controls if one.measurement.case == case]
    busy = [_result(one.measurement, one.origin) for one in same if not one.alone]
    own, origin = outcome.measurements.get(case.case_id), outcome.origins.get(case.case_id)
    if own is not None and origin is not None:
        busy.insert(0, _result(own, origin))
    alone = [_result(one.measurement, one.origin) for one in same if one.alone]
    cards = len({one.card for one in busy})
    if not busy or (cards < 2 and not alone):
        return None
    between = _apart(busy) if cards > 1 else None
    return Spread(case, cards, between, _from(busy, alone[-1]) if alone else None)


def _result(found: Measurement, origin: Origin) -> _Result:
    eager = Times.of(samples(found.blocks, "eager"))
    ratio = speed_up(eager, samples(found.blocks, "compiled"))
    mean_s = float(eager.sums_s.sum() / eager.calls.sum())
    return _Result((origin.node, origin.gpu_uuid), mean_s, ratio.value)


def _from(busy: Sequence[_Result], alone: _Result) -> Apart:
    there = [one for one in busy if one.card == alone.card] or busy
    usual = _Result(alone.card, _mean(r.eager_s for r in there), _mean(r.speed_up for r in there))
    return _apart((usual, alone))


def _mean(ratios: Iterable[float]) -> float:
    found = geometric_mean(tuple(ratios))
    assert found is not None
    return found


def _apart(results: Sequence[_Result]) -> Apart:
    """The largest difference between any two."""
    return Apart(
        max(r.eager_s for r in results) / min(r.eager_s for r in results) - 1,
        max(r.speed_up for r in results) / min(r.speed_up for r in results) - 1,
    )

"""Fields of the results that tell of one case what its times do not (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness.contract.records import Agreement
from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.wording import NOTHING

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the results: the value, and below it its interval."""

    text: str
    small: str = ""


def break_even(row: Row) -> str:
    """Inferences until compiling is paid back, where the verdict supports it: elsewhere the gain
    may be noise."""
    if row.verdict == "slower":
        return "never"
    return wording.break_even(row.break_even) if row.verdict == "faster" else wording.NOTHING


def compile_cost(row: Row) -> tuple[Field, Field]:
    """The first call and the break-even; below them those of a process with filled caches."""
    if row.compile_s is None:
        return Field(NOTHING), Field(NOTHING)
    warm_s = row.measurement.warm_first_call_s if row.measurement else None
    first = Field(
        wording.seconds(row.compile_s),
        "" if warm_s is None else f"filled caches: {wording.seconds(warm_s)}",
    )
    if row.verdict != "faster":
        return first, Field(break_even(row))
    notes = [wording.break_even_interval(row.break_even)]
    if row.warm_break_even is not None:
        notes.append(f"filled caches: {wording.break_even(row.warm_break_even)}")
    return first, Field(break_even(row), "; ".join(filter(None, notes)))


def why(row: Row) -> tuple[Field, Field, Field]:
    """What limits a call, the share of the device's peak, and the energy."""
    facts = row.facts
    if facts is None or row.measurement is None:
        return (Field(NOTHING),) * 3
    if row.measurement.clock == "cpu":
        return Field("wall only", "measured on a CPU"), Field(NOTHING), Field(NOTHING)
    eager, compiled = facts.eager, facts.compiled
    return (
        Field(_pair(eager.bound, compiled.bound, str)),
        Field(_pair(eager.utilisation, compiled.utilisation, _share)),
        Field(_pair(eager.joules_per_image, compiled.joules_per_image, wording.joules)),
    )


def certainty(row: Row) -> tuple[Field, Field]:
    """How many calls there were, and the adjusted p-value."""
    found = row.measurement
    if found is None or row.eager is None:
        return Field(NOTHING), Field(NOTHING)
    calls = Field(wording.count(row.eager.calls), "stopped early" if found.stopped_early else "")
    return calls, Field(wording.p_value(row.adjusted_p))


def process_memory(eager: int | None, compiled: int | None) -> str:
    words = _pair(eager, compiled, wording.data_size)
    return "" if words == NOTHING else f"process: {words}"


def agreement(agreement: Agreement) -> str:
    parts = [f"≤ {agreement.tolerance:.0e}"]
    if agreement.top1_agrees is not None:
        parts.append("same classes" if agreement.top1_agrees else "classes differ")
    if agreement.mask_iou is not None:
        parts.append(f"mask IoU {agreement.mask_iou:.3f}")
    return "; ".join(parts)


def _pair(eager: _T | None, compiled: _T | None, write: Callable[[_T], str]) -> str:
    if eager is None or compiled is None:
        return NOTHING
    before, after = write(eager), write(compiled)
    return before if before == after else f"{before} → {after}"


def _share(share: float) -> str:
    return wording.percent(share, signed=False)

"""A measurement, packed: all that a page says of it, in a tenth of the memory (pure).

A record keeps an object per block and per sample; thousands of cases of them fill a gigabyte. What
is only counted, such as the calls of a warm-up, is counted here, and wall times become an array.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias, TypeVar

from harness.contract.records import Agreement, CompileEvidence, Measurement, ModelFacts, WarmUp
from harness.contract.vocabulary import ClockName, Variant

Part = TypeVar("Part", ModelFacts, CompileEvidence)
# Per block its variant and its number of calls.
Layout: TypeAlias = tuple[tuple[Variant, int], ...]


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall seconds per call in the order taken, and the blocks that they were taken in."""

    samples_s: array[float]
    layout: Layout

    def of(self, variant: Variant) -> tuple[tuple[float, ...], ...]:
        """The samples of one variant in seconds, shape (blocks, calls), in the order taken."""
        found, start = [], 0
        for name, calls in self.layout:
            if name == variant:
                found.append(tuple(self.samples_s[start : start + calls]))
            start += calls
        return tuple(found)


@dataclass(frozen=True, slots=True)
class WarmedUp:
    """One variant before it was timed; `calls` counts the first one, too."""

    calls: int
    first_call_s: float
    stable: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What `harness.contract.records.Measurement` says, under the same names."""

    timings: Timings
    facts: ModelFacts
    clock: ClockName
    eager: WarmedUp
    compiled: WarmedUp
    compile_evidence: CompileEvidence | None
    agreement: Agreement
    eager_peak_memory_bytes: int | None
    compiled_peak_memory_bytes: int | None
    eager_process_memory_bytes: int | None
    compiled_process_memory_bytes: int | None
    overhead_s: float
    warm_first_call_s: float | None
    flags: Mapping[str, str]
    telemetry_note: str
    stopped_early: bool
    notes: tuple[str, ...]


def packed(found: Measurement) -> Measured:
    """The same measurement without the objects around its numbers."""
    return Measured(
        timings=_timings(found),
        facts=_known(ModelFacts, found.facts.model_dump_json()),
        clock=found.clock,
        eager=_warmed_up(found.eager),
        compiled=_warmed_up(found.compiled),
        compile_evidence=_evidence(found),
        agreement=found.agreement,
        eager_peak_memory_bytes=found.eager_peak_memory_bytes,
        compiled_peak_memory_bytes=found.compiled_peak_memory_bytes,
        eager_process_memory_bytes=found.eager_process_memory_bytes,
        compiled_process_memory_bytes=found.compiled_process_memory_bytes,
        overhead_s=found.overhead_s,
        warm_first_call_s=found.warm_first_call_s,
        flags=found.flags,
        telemetry_note=found.telemetry_note,
        stopped_early=found.stopped_early,
        notes=found.notes,
    )


def _timings(found: Measurement) -> Timings:
    samples_s = array("d", chain.from_iterable(block.samples_s for block in found.blocks))
    return Timings(samples_s, _shared(tuple((b.variant, len(b.samples_s)) for b in found.blocks)))


def _evidence(found: Measurement) -> CompileEvidence | None:
    evidence = found.compile_evidence
    return None if evidence is None else _known(CompileEvidence, evidence.model_dump_json())


@functools.lru_cache(maxsize=4096)
def _known(kind: type[Part], text: str) -> Part:
    """What many hosts say of the same case is kept once, and pins no memory of their records."""
    return kind.model_validate_json(text)


@functools.lru_cache(maxsize=4096)
def _shared(layout: Layout) -> Layout:
    """Nearly all cases of a run were taken in the same blocks: they share one description."""
    return layout


def _warmed_up(found: WarmUp) -> WarmedUp:
    return WarmedUp(len(found.samples_s) + 1, found.first_call_s, found.stable)

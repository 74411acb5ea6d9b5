"""Why a case is as fast as it is, and under which conditions it was timed (pure).

Four times per call: *wall* is what a caller waits; *device* is the time between two events around
the call; *enqueue* is the time until the call returned, from an empty queue; *busy* is the time
for which the device computed, from calls that had queued up. Where the device waits for the host,
a faster kernel changes nothing, and a CUDA graph or a larger batch does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal, TypeAlias

import numpy as np

from harness.contract.records import Block, Device, EnergyUse, Measurement
from harness.contract.vocabulary import Variant
from orchestrator.compare.peaks import peak_flops
from orchestrator.statistics.statistics import median

Bound: TypeAlias = Literal["launch-bound", "mixed", "GPU-bound"]

# The device waits where events span so much more than its work, or enqueuing takes as long as it.
LAUNCH_EVENTS: Final = 1.10
LAUNCH_ENQUEUE: Final = 0.95
# The device is the limit where it hardly ever waits and the host is done well before it.
GPU_EVENTS: Final = 1.03
GPU_ENQUEUE: Final = 0.80
# Clocks of eager and compiled that differ by more make their times hard to compare.
CLOCKS_DIFFER: Final = 0.01
# The energy counter moves in steps of up to 100 ms: a shorter stretch would measure the steps.
MIN_ENERGY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """One variant of a case: median seconds per call, and what follows. None: not measured.

    `utilisation` is the share of the device's peak that the model's operations in the mean wall
    time amount to. `joules_per_image` is the whole board's. `sm_clock_mhz` is the median of the
    blocks.
    """

    device_s: float | None
    enqueue_s: float | None
    busy_s: float | None
    bound: Bound | None
    utilisation: float | None
    joules_per_image: float | None
    sm_clock_mhz: float | None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """Both variants of a case, and how quiet the device was.

    `retaken` counts blocks thrown away because throttling disturbed them. `throttled` counts the
    blocks that a reason for lower clocks was seen in, of `observed` blocks with telemetry.
    """

    eager: VariantFacts
    compiled: VariantFacts
    retaken: int
    throttled: tuple[tuple[str, int], ...]
    observed: int

    @property
    def clocks_differ(self) -> bool:
        """Whether the median clocks of the two variants differ by more than 1 %."""
        eager, compiled = self.eager.sm_clock_mhz, self.compiled.sm_clock_mhz
        return bool(eager and compiled) and abs((compiled or 0) / (eager or 1) - 1) > CLOCKS_DIFFER


def facts_of(measurement: Measurement, device: Device | None) -> CaseFacts:
    """What a measurement tells beside its wall times; `device` is the one it was taken on."""
    seen = [block.telemetry for block in measurement.blocks if block.telemetry is not None]
    reasons = Counter(reason for telemetry in seen for reason in set(telemetry.throttle))
    return CaseFacts(
        eager=_variant(measurement, "eager", device),
        compiled=_variant(measurement, "compiled", device),
        retaken=sum(block.retaken for block in measurement.blocks),
        throttled=tuple(reasons.most_common()),
        observed=len(seen),
    )


def samples(blocks: Iterable[Block], variant: Variant) -> tuple[tuple[float, ...], ...]:
    """The samples of one variant in seconds, shape (blocks, calls), in the order taken."""
    return tuple(block.samples_s for block in blocks if block.variant == variant)


def bound(device_s: float | None, enqueue_s: float | None, busy_s: float | None) -> Bound | None:
    """What limits a call: the host that launches, the device that computes, or both by turns.

    Args: medians in seconds of events around the call, of enqueuing it, and of device work.
    Returns: None unless all three are known.
    """
    if device_s is None or enqueue_s is None or not busy_s:
        return None
    if device_s / busy_s >= LAUNCH_EVENTS or enqueue_s >= LAUNCH_ENQUEUE * busy_s:
        return "launch-bound"
    if device_s / busy_s <= GPU_EVENTS and enqueue_s <= GPU_ENQUEUE * busy_s:
        return "GPU-bound"
    return "mixed"


def _variant(measurement: Measurement, variant: Variant, device: Device | None) -> VariantFacts:
    blocks = [block for block in measurement.blocks if block.variant == variant]
    eager = variant == "eager"
    device_s = _median(chain.from_iterable(block.device_s or () for block in blocks))
    enqueue_s = _median(chain.from_iterable(block.enqueue_s or () for block in blocks))
    busy_s = _median((measurement.eager_busy_s if eager else measurement.compiled_busy_s) or ())
    energy = measurement.energy
    return VariantFacts(
        device_s=device_s,
        enqueue_s=enqueue_s,
        busy_s=busy_s,
        bound=bound(device_s, enqueue_s, busy_s),
        utilisation=_utilisation(measurement, blocks, device),
        joules_per_image=_per_image(
            None if energy is None else energy.eager if eager else energy.compiled
        ),
        sm_clock_mhz=_median(
            block.telemetry.sm_clock_mhz
            for block in blocks
            if block.telemetry is not None and block.telemetry.sm_clock_mhz is not None
        ),
    )


def _utilisation(
    measurement: Measurement, blocks: list[Block], device: Device | None
) -> float | None:
    peak = None if device is None else peak_flops(device, measurement.case.precision)
    flops = measurement.facts.flops_per_image
    if peak is None or flops is None:
        return None
    calls_per_s = sum(len(block.samples_s) for block in blocks) / math.fsum(
        chain.from_iterable(block.samples_s for block in blocks)
    )
    return flops * measurement.case.batch_size * calls_per_s / peak


def _per_image(used: EnergyUse | None) -> float | None:
    if used is None or used.seconds < MIN_ENERGY_S:
        return None
    return used.joules / used.images


def _median(values: Iterable[float]) -> float | None:
    found = np.fromiter(values, np.float64)
    return median(found) if found.size else None

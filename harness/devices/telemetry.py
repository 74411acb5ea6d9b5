"""The state of the GPU while a case is measured, from a sampler process, and its energy.

The measuring process only reads what the sampler wrote, and only between blocks.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from harness.contract.records import BlockTelemetry, EnergyUse
from harness.devices.nvml import Gpu
from harness.devices.protocols import Call, Now
from harness.devices.sampler import PERIOD_S

FIRST_SAMPLE_LIMIT_S: Final = 10.0
KEPT_S: Final = 60.0
NO_ENERGY: Final = "no energy: this GPU has no counter (Volta and newer have)"
_CHUNK: Final = 1 << 16
Value: TypeAlias = float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What a GPU did at one time of the monotonic clock."""

    time_s: float
    sm_clock_mhz: Value
    memory_clock_mhz: Value
    temperature_c: Value
    power_w: Value
    throttle: list[str]


class NoMonitor:
    """Where there is nothing to sample."""

    def between(self, start_s: float, end_s: float) -> None:  # noqa: ARG002
        return None

    def has_looked_since(self, start_s: float) -> bool:  # noqa: ARG002
        return True


@dataclass(slots=True)
class Samples:
    """Samples in the order taken, the latest minute of them."""

    kept: list[Sample] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        self.kept.append(sample)
        if sample.time_s - self.kept[0].time_s > 2 * KEPT_S:
            self.kept = [each for each in self.kept if sample.time_s - each.time_s <= KEPT_S]

    def between(self, start_s: float, end_s: float) -> BlockTelemetry | None:
        """Medians over the samples of an interval, and every throttle reason seen in it.

        An interval shorter than the sampling period may have none of its own: the sample next to
        it then speaks for it, if it is no more than a period away.
        """
        within = [each for each in self.kept if start_s <= each.time_s <= end_s]
        return _condensed(within or self._next_to(start_s, end_s))

    def has_any_since(self, start_s: float) -> bool:
        return bool(self.kept) and self.kept[-1].time_s >= start_s

    def _next_to(self, start_s: float, end_s: float) -> list[Sample]:
        def distance_s(sample: Sample) -> float:
            return max(start_s - sample.time_s, sample.time_s - end_s)

        nearest = min(self.kept, key=distance_s, default=None)
        # Half a period more: the sampler sleeps for a period, and asking takes time as well.
        near = nearest is not None and distance_s(nearest) <= 1.5 * PERIOD_S
        return [nearest] if nearest is not None and near else []


def _condensed(samples: list[Sample]) -> BlockTelemetry | None:
    if not samples:
        return None
    return BlockTelemetry(
        sm_clock_mhz=_median([each.sm_clock_mhz for each in samples]),
        memory_clock_mhz=_median([each.memory_clock_mhz for each in samples]),
        temperature_c=_median([each.temperature_c for each in samples]),
        power_w=_median([each.power_w for each in samples]),
        throttle=tuple(dict.fromkeys(name for each in samples for name in each.throttle)),
    )


def _median(values: list[Value]) -> Value:
    known = [value for value in values if value is not None]
    return median(known) if known else None


class PipeMonitor:
    """Reads the lines of a sampler when asked. Where there are none, `note` says why."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._samples = Samples()
        self._rest = b""
        self.note = ""
        os.set_blocking(descriptor, False)

    def wait(self, limit_s: float) -> None:
        """Wait for the first line: the sampler's process has to start."""
        select.select([self._descriptor], [], [], limit_s)
        self._drain()
        if not self._samples.kept and not self.note:
            self.note = f"no telemetry: its process gave no sample within {limit_s:.0f} s"

    def between(self, start_s: float, end_s: float) -> BlockTelemetry | None:
        self._drain()
        return self._samples.between(start_s, end_s)

    def has_looked_since(self, start_s: float) -> bool:
        self._drain()
        return self._samples.has_any_since(start_s)

    def _drain(self) -> None:
        while chunk := self._read():
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                content = json.loads(line)
                if "error" in content:
                    self.note = content["error"]
                else:
                    self._samples.add(Sample(**content))

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return b""


@contextmanager
def sampling(uuid: str, limit_s: float = FIRST_SAMPLE_LIMIT_S) -> Iterator[PipeMonitor]:
    """A sampler process for this GPU while the context is open; its first sample is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.devices.sampler", uuid],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        monitor = PipeMonitor(process.stdout.fileno())
        monitor.wait(limit_s)
        yield monitor
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def energy_use(
    gpu: Gpu, call: Call, images_per_call: int, at_least_s: float, now: Now = time.monotonic
) -> EnergyUse | None:
    """Run one variant alone for a while and read the GPU's energy counter before and after.

    Args:
        call: returns when its work is done.
    Returns: None where the GPU has no counter.
    """
    before_j, start_s = gpu.energy_j(), now()
    if before_j is None:
        return None
    calls, spent_s = 0, 0.0
    while spent_s < at_least_s:
        call()
        calls += 1
        spent_s = now() - start_s
    after_j = gpu.energy_j()
    if after_j is None or after_j < before_j:
        return None
    return EnergyUse(joules=after_j - before_j, images=calls * images_per_call, seconds=spent_s)

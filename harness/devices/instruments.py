"""What a case is measured with: a clock, and on a GPU its queue and its management library.

Everything here works through Protocols; `harness.devices.cuda` puts the real parts in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from harness.contract.records import Block, Energy
from harness.contract.vocabulary import Variant
from harness.devices import busy, telemetry
from harness.devices.busy import Busy
from harness.devices.clocks import CpuClock
from harness.devices.nvml import Gpu
from harness.devices.protocols import Accelerator, Call, Clock, Monitor
from harness.devices.telemetry import NoMonitor

ON_A_CPU = "no NVML: this is a CPU"
MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class Instruments:
    """The instruments for one device. On a CPU there is a clock alone.

    `gpu` is None where NVML cannot be asked; `note` then says why.
    """

    clock: Clock
    accelerator: Accelerator | None = None
    gpu: Gpu | None = None
    uuid: str = ""
    note: str = ""

    @contextmanager
    def watching(self) -> Iterator[tuple[Monitor, list[str]]]:
        """A monitor of the device while the context is open, and why it may see nothing."""
        if self.gpu is None:
            yield NoMonitor(), [self.note]
            return
        with telemetry.sampling(self.uuid) as monitor:
            yield monitor, [monitor.note] if monitor.note else []

    def busy(self, calls: Mapping[Variant, Call], blocks: Sequence[Block]) -> Busy:
        """Device-busy time of both variants; nothing and no note on a CPU."""
        if self.accelerator is None:
            return Busy({})
        enqueue_s: dict[Variant, float] = {
            variant: _typical_enqueue_s(variant, blocks) for variant in calls
        }
        return busy.measure(calls, enqueue_s, self.accelerator)

    def energy(
        self, calls: Mapping[Variant, Call], images_per_call: int, at_least_s: float
    ) -> tuple[Energy | None, str]:
        """The energy of both variants, each run alone for a while; or none, and why."""
        if self.gpu is None or self.accelerator is None or at_least_s == 0:
            return None, ""
        use = {
            variant: telemetry.energy_use(
                self.gpu, _to_its_end(call, self.accelerator), images_per_call, at_least_s
            )
            for variant, call in calls.items()
        }
        if use["eager"] is None or use["compiled"] is None:
            return None, telemetry.NO_ENERGY
        return Energy(eager=use["eager"], compiled=use["compiled"]), ""

    def disturbers(self) -> tuple[str, ...]:
        """A sentence if other processes compute on the GPU now, whose work takes time from ours."""
        others = [] if self.gpu is None else self.gpu.other_processes(os.getpid())
        if not others:
            return ()
        listed = f"{', '.join(others[:MAX_LISTED])}{', …' if len(others) > MAX_LISTED else ''}"
        return (f"not alone on the GPU while it was timed: {listed}",)

    def process_memory_bytes(self) -> int | None:
        """Device memory of this process as the driver counts it; None without NVML."""
        return None if self.gpu is None else self.gpu.process_memory_bytes(os.getpid())


def for_cpu() -> Instruments:
    """A clock, and the reason why there is no telemetry."""
    return Instruments(CpuClock(), note=ON_A_CPU)


def _typical_enqueue_s(variant: Variant, blocks: Sequence[Block]) -> float:
    return median(
        enqueue_s
        for block in blocks
        if block.variant == variant
        for enqueue_s in block.enqueue_s or ()
    )


def _to_its_end(call: Call, accelerator: Accelerator) -> Call:
    def run() -> None:
        call()
        accelerator.synchronize()

    return run

"""What is taken of both variants once they are warm: times, energy, device-busy time.

Knows no torch but the count of its graphs; devices come through the instruments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.contract import plan
from harness.contract.records import Block, Energy
from harness.contract.vocabulary import Variant
from harness.devices import environment
from harness.devices.busy import Busy
from harness.devices.instruments import Instruments
from harness.devices.protocols import Call
from harness.measure import failures, sampling, timing
from harness.measure.sampling import Sampling
from harness.recipes import compiling as compiler


@dataclass(frozen=True, slots=True)
class Timed:
    """Blocks in the order taken, and what was taken after them."""

    blocks: tuple[Block, ...]
    stopped_early: bool
    overhead_s: float
    energy: Energy | None
    busy: Busy
    flags: dict[str, str]
    telemetry_note: str
    notes: tuple[str, ...] = ()


def take(
    calls: Mapping[Variant, Call],
    tools: Instruments,
    protocol: plan.Protocol,
    *,
    images_per_call: int,
    with_energy: bool,
) -> Timed:
    """Time both variants, and only then do what could disturb their times.

    Raises: RecompiledError; whatever the calls raise.
    """
    taken = Sampling(
        sampling.schedule(protocol.iterations, protocol.max_blocks), until=protocol.until
    )
    mark = compiler.CompilationLog.mark()
    with tools.watching() as (monitor, notes), timing.no_garbage_collection():
        timing.lead_in(calls, tools.clock)
        before = tools.disturbers()
        timing.measure(taken, calls, tools.clock, monitor, protocol.retakes)
        after = tools.disturbers()
    recompiles = mark.recompiles_since()
    if recompiles:
        raise failures.RecompiledError(
            f"{recompiles} graphs were compiled while timing: the samples mix compiling and running"
        )
    overhead_s = timing.overhead_s(tools.clock)
    energy_s = protocol.energy_s if with_energy else 0.0
    with timing.no_garbage_collection():
        energy, no_energy = tools.energy(calls, images_per_call, energy_s)
        busy = tools.busy(calls, taken.taken)  # last: a profiler may slow down what follows it
    return Timed(
        blocks=tuple(taken.taken),
        stopped_early=taken.stopped_early,
        overhead_s=overhead_s,
        energy=energy,
        busy=busy,
        flags=environment.flags(),
        telemetry_note="; ".join(filter(None, (*notes, no_energy))),
        notes=after or before,
    )

"""Which engines were met, under which names: two names of one would measure each other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.diagnosis.diagnosis import Gpu
from orchestrator.hosts.engine import EngineFacts
from orchestrator.hosts.probe import Probe
from orchestrator.inventory.engines import EngineMachine
from orchestrator.inventory.machines import NO_GPU


@dataclass(frozen=True, slots=True)
class _Met:
    """A machine that answered; `boot` is empty where no shell tells it. `gpus` are all names of
    those that it is to measure."""

    name: str
    engine: tuple[str, str]
    boot: str
    gpus: frozenset[str]

    def competes(self, other: _Met) -> bool:
        """Copied machines may bear one name, and their engines one id; boots tell them apart."""
        if not self.engine[0] or self.engine != other.engine:
            return False
        if self.boot and other.boot and self.boot != other.boot:
            return False
        return not self.gpus.isdisjoint(other.gpus)


@dataclass(frozen=True, slots=True)
class Census:
    """May be asked by several threads at once."""

    _all: list[_Met] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def twin(self, machine: EngineMachine, told: EngineFacts, found: Probe | None) -> str:
        """Remember a machine. Returns: the name of one met before that has the same engine and is
        to measure the same GPU, or the CPU as well; empty if there is none."""
        boot, gpus = (found.boot, found.gpus) if found else ("", ())
        this = _Met(machine.name, (told.id, told.name), boot, _all_names(machine.gpus, gpus))
        with self._lock:
            names = [other.name for other in self._all if this.competes(other)]
            self._all.append(this)
        return names[0] if names else ""


def _all_names(wanted: Sequence[str], there: Sequence[Gpu]) -> frozenset[str]:
    """A GPU may be called by its index or by its UUID."""
    both = [{gpu.index, gpu.uuid} for gpu in there]
    return frozenset(wanted or (NO_GPU,)).union(*(pair for pair in both if pair & {*wanted}))

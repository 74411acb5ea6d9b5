"""Which engines were met, under which names: two names of one would measure each other."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from orchestrator.hosts.engine import EngineFacts
from orchestrator.inventory.inventory import NO_GPU, Machine


@dataclass(frozen=True, slots=True)
class _Met:
    """A machine that answered; `boot` is empty where no shell tells it."""

    machine: Machine
    engine: tuple[str, str]
    boot: str

    def competes(self, other: _Met) -> bool:
        """Copied machines may bear one name, and their engines one id; boots tell them apart."""
        if not self.engine[0] or self.engine != other.engine:
            return False
        if self.boot and other.boot and self.boot != other.boot:
            return False
        return not _gpus(self.machine).isdisjoint(_gpus(other.machine))


@dataclass(frozen=True, slots=True)
class Census:
    """May be asked by several threads at once."""

    _all: list[_Met] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def twin(self, machine: Machine, told: EngineFacts, boot: str) -> str:
        """Remember a machine. Returns: the name of one met before that has the same engine and is
        to measure the same GPU, or the CPU as well; empty if there is none."""
        this = _Met(machine, (told.id, told.name), boot)
        with self._lock:
            names = [other.machine.name for other in self._all if this.competes(other)]
            self._all.append(this)
        return names[0] if names else ""


def _gpus(machine: Machine) -> frozenset[str]:
    return frozenset(machine.gpus or (NO_GPU,))

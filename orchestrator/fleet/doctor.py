"""Asks all hosts at once whether they can measure; starts nothing there, changes nothing.

An examination is given as soon as it is made, and none takes longer than a limit: an engine may
answer a byte at a time for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.diagnosis.checks import Check, Examined
from orchestrator.fleet import asking
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.kind import Checkup, Examine, HostKind, Patient
from orchestrator.hosts.shell import Shell, shell
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.machines import Machine

# Longer than anything that is healthy takes: ssh's own limit, an engine's, a driver's that hangs.
LIMIT_S: Final = 90.0


@dataclass(slots=True)
class _Visit:
    """A machine while it is examined, and what is being asked of it."""

    machine: Machine
    kind: HostKind[Any]
    examiner: Examine[Any]
    doing: str = "connecting"

    def says(self, doing: str) -> None:
        self.doing = doing

    def examine(self) -> Examined:
        return self.examiner(self.machine, self.says)


def examine(
    machines: Sequence[Machine],
    source: ImageSource,
    engine: Callable[[Address], Patient] | None = None,
    ask: Shell = shell,
    limit_s: float = LIMIT_S,
) -> Iterator[Examined]:
    """Examine machines, all at once. Yields: each as soon as it is known what is wrong there."""
    kinds = registry.grouped(machines)
    beside_here = any(kind.is_here for kind, _ in kinds)
    checkup = Checkup(source, engine or _docker_engine, ask, beside_here)
    visits: list[_Visit] = []
    for kind, members in kinds:
        examiner = kind.doctor(checkup)
        visits += [_Visit(machine, kind, examiner) for machine in members]
    for visit, examined in asking.ask_all(visits, _Visit.examine, limit_s):
        yield examined or _unanswered(visit, limit_s)


def _unanswered(visit: _Visit, limit_s: float) -> Examined:
    found = f"none within {limit_s:.0f} s, while {visit.doing}"
    check = Check("Answer", "bad", found, visit.kind.look(visit.machine))
    return Examined(visit.machine.name, visit.machine.where, (check,))


def _docker_engine(address: Address) -> Patient:
    from orchestrator.hosts.docker import DockerEngine  # the SDK takes a fifth of a second

    return DockerEngine(address)

"""The kinds of hosts. To add one is to add its module and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from orchestrator.hosts.kinds.docker import DockerKind
from orchestrator.hosts.kinds.kind import HostKind
from orchestrator.hosts.kinds.local import LocalKind
from orchestrator.hosts.kinds.ray import RayKind
from orchestrator.inventory.inventory import Kinds
from orchestrator.inventory.machines import Machine

# The first that knows a name has it, and hosts of several kinds are told of in this order.
KINDS: Final[tuple[HostKind[Any], ...]] = (
    LocalKind(),
    DockerKind(),
    RayKind(),
)


def settings() -> Kinds:
    """How each of them stands in an inventory and in run.json."""
    return [kind.settings for kind in KINDS]


def of(machine: Machine) -> HostKind[Any]:
    """The kind of a machine."""
    return next(kind for kind in KINDS if isinstance(machine, kind.settings.machine))


def grouped(machines: Sequence[Machine]) -> list[tuple[HostKind[Any], list[Machine]]]:
    """Machines by their kind; a kind that has none of them is left out."""
    groups = [(kind, [each for each in machines if of(each) is kind]) for kind in KINDS]
    return [(kind, members) for kind, members in groups if members]

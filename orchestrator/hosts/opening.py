"""Machines -> hosts that measure on them, each asked once whether it can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract.plan import Plan
from orchestrator.errors import NoHostError
from orchestrator.hosts import Host, RefusedHost
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.kind import Job
from orchestrator.hosts.kinds.local import LocalMachine
from orchestrator.inventory import inventory
from orchestrator.inventory.machines import Machine
from orchestrator.records.rundir import RunFolder


def hosts_for(machines: Sequence[Machine], source: ImageSource, terms: Terms) -> tuple[Host, ...]:
    """What measures on these machines: several hosts of one name where GPUs share the cases.

    Raises: UsageError: CUDA_VISIBLE_DEVICES cannot be meant as it is.
    """
    kinds = registry.grouped(machines)
    job = Job(source, terms, beside_here=any(kind.is_here for kind, _ in kinds))
    return tuple(host for kind, members in kinds for host in kind.open(members, job))


def checked(hosts: Sequence[Host], plan: Plan) -> tuple[Host, ...]:
    """Ask each host whether it can measure, before anything is started.

    Returns: the hosts, those that cannot as RefusedHost. Raises: NoHostError where none can.
    """
    found = tuple(_checked(host, plan) for host in hosts)
    refusals = [host.why for host in found if isinstance(host, RefusedHost)]
    if refusals and len(refusals) == len(found):
        raise refusals[0]
    return found


def _checked(host: Host, plan: Plan) -> Host:
    try:
        host.check(plan)
    except NoHostError as error:
        return RefusedHost(host.name, error)
    return host


def machines_of(folder: RunFolder, inventory_file: Path | None) -> tuple[Machine, ...]:
    """The machines of a run: as the inventory has them now, else as the run remembers them."""
    meta = folder.meta()
    kinds = registry.settings()
    tables = inventory.read(kinds, inventory_file, meta.hosts)
    remembered = {
        name: inventory.remembered(name, settings, kinds)
        for name, settings in meta.machines.items()
    }
    known = {**remembered, **tables}
    return tuple(known.get(name, LocalMachine(name)) for name in meta.hosts)

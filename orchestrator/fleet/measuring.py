"""A run from its folder to its hosts: what is left of its plan for each, and measuring that."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.contract.plan import Plan
from orchestrator import estimate, planning
from orchestrator.fleet import fleet
from orchestrator.fleet.fleet import Observer
from orchestrator.hosts import Host
from orchestrator.hosts.kinds import registry
from orchestrator.inventory.machines import Machine
from orchestrator.records.rundir import RunFolder


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder with its plan and what is left to measure of it, by host.

    Of what was measured nothing is held: the records of a run may fill a gigabyte.
    """

    folder: RunFolder
    plan: Plan
    left: Mapping[str, Plan]

    @classmethod
    def new(
        cls, output: Path, plan: Plan, machines: Sequence[Machine], arguments: Sequence[str]
    ) -> Self:
        """Make the folder of a new run. Raises: RunError."""
        command = shlex.join(["python", "orchestrate.py", *arguments])
        # Without it the page would name a command that measures on one GPU.
        preface = "".join(kind.preface() for kind, _ in registry.grouped(machines))
        now = datetime.datetime.now().astimezone()
        names = [machine.name for machine in machines]
        settings = {one.name: kept for one in machines if (kept := one.settings())}
        prices = {
            one.name: one.price_per_hour for one in machines if one.price_per_hour is not None
        }
        folder = RunFolder.create(
            output,
            plan,
            names,
            f"{preface}{command}",
            now,
            machines=settings,
            prices_per_hour=prices,
        )
        return cls(folder, plan, dict.fromkeys(names, plan))

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """Read what a run has measured, one host after the other. Raises: RunError."""
        plan = folder.plan()
        outcomes = folder.each_outcome(plan)
        left = {each.host: planning.for_resume(plan, each) for each in outcomes}
        return cls(folder, plan, left)

    @property
    def longest(self) -> Plan:
        """The plan of the host that has most left; one without attempts where the run is
        complete."""
        return max(self.left.values(), key=lambda rest: len(rest.attempts()))

    def measure(self, hosts: Sequence[Host], observer: Observer, *, detach: bool = False) -> None:
        """Measure on every host what is left for it.

        Nobody else may be at it: the caller holds the folder.

        Raises: InterruptedRunError; StorageError; RunError.
        """
        plans: dict[Host, Plan] = {}
        for name in dict.fromkeys(host.name for host in hosts):
            shared = _shared(self.left[name], [host for host in hosts if host.name == name])
            if not shared:
                observer.skipped(name, "complete: nothing is left to measure")
            plans |= shared
        fleet.run(plans, self.folder, observer, detach=detach)


def _shared(rest: Plan, lanes: Sequence[Host]) -> dict[Host, Plan]:
    """The plan of each GPU of a host; one that would have nothing to do gets none."""
    parts = (rest,) if len(lanes) == 1 else _parts(rest, len(lanes))
    return {host: part for host, part in zip(lanes, parts, strict=True) if part.attempts()}


def _parts(rest: Plan, count: int) -> tuple[Plan, ...]:
    return planning.share_out(rest, count, lambda case: estimate.share_s(rest, case))

"""A run from its machines to its exit code: new, or what an earlier one lacks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contract.plan import Plan
from orchestrator import pipeline, planning
from orchestrator.cli import console
from orchestrator.cli.console import Showing
from orchestrator.hosts import Host
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.inventory.machines import Machine
from orchestrator.records.rundir import RunFolder


@dataclass(frozen=True, slots=True)
class Ways:
    """How to measure, beside what and where."""

    source: ImageSource
    terms: Terms
    showing: Showing


def run(machines: Sequence[Machine], plan: Plan, ways: Ways) -> int:
    hosts = pipeline.checked(pipeline.hosts_for(machines, ways.source, ways.terms), plan)
    folder = pipeline.new_run(ways.showing.ending.output, plan, machines, sys.argv[1:])
    console.forewarn(plan, machines)
    return _measure(folder, hosts, ways)


def resume(folder: RunFolder, inventory: Path | None, ways: Ways, *, dry_run: bool) -> int:
    machines = pipeline.machines_of(folder, inventory)
    plan = folder.plan()
    rest = [planning.for_resume(plan, outcome) for outcome in folder.outcomes()]
    longest = max(rest, key=lambda one: len(one.attempts()))
    if dry_run:
        return console.show_plan(longest, machines, as_json=ways.showing.ending.as_json)
    if not longest.attempts():
        return console.conclude_complete(folder, ways.showing.ending)
    hosts = pipeline.checked(pipeline.hosts_for(machines, ways.source, ways.terms), plan)
    console.forewarn(longest, machines)
    return _measure(folder, hosts, ways)


def _measure(folder: RunFolder, hosts: Sequence[Host], ways: Ways) -> int:
    detach = ways.showing.detach
    return console.watch(
        folder,
        list(dict.fromkeys(host.name for host in hosts)),
        ways.showing,
        lambda observer: pipeline.measure(folder, hosts, observer, detach=detach),
    )

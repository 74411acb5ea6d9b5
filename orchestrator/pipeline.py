"""The straight line: hosts and a plan -> records on disk -> comparison -> page and exports."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.contract.plan import Plan
from orchestrator import estimate, planning
from orchestrator.changes import changes
from orchestrator.changes.changes import Changes
from orchestrator.compare import published_table, runs
from orchestrator.compare.comparison import Comparison
from orchestrator.errors import NoHostError
from orchestrator.fleet import fleet
from orchestrator.fleet.fleet import Observer
from orchestrator.hosts import Host, RefusedHost
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.kind import Job
from orchestrator.hosts.kinds.local import LocalMachine
from orchestrator.inventory import inventory
from orchestrator.inventory.machines import Machine
from orchestrator.page import exports
from orchestrator.publish import baseline, report
from orchestrator.publish.baseline import Baseline
from orchestrator.records.files import ensure_folder
from orchestrator.records.rundir import RunFolder

PAGE: Final = "report.html"
# A failure that is a finding about the GPU; the run itself went as it should.
FINDINGS: Final = frozenset({"oom", "unsupported"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written, and what it says."""

    comparison: Comparison
    page: Path
    changes: Changes | None = None


def hosts_for(machines: Sequence[Machine], source: ImageSource, terms: Terms) -> tuple[Host, ...]:
    """What measures on these machines: several hosts of one name where GPUs share the cases.

    Raises: UsageError: CUDA_VISIBLE_DEVICES cannot be meant as it is.
    """
    kinds = registry.grouped(machines)
    job = Job(source, terms, beside_here=any(kind.is_here for kind, _ in kinds))
    return tuple(host for kind, members in kinds for host in kind.open(members, job))


def new_run(
    output: Path, plan: Plan, machines: Sequence[Machine], arguments: Sequence[str]
) -> RunFolder:
    """Make the folder of a new run. Raises: RunError."""
    command = shlex.join(["python", "orchestrate.py", *arguments])
    # Without it the page would name a command that measures on one GPU.
    preface = "".join(kind.preface() for kind, _ in registry.grouped(machines))
    now = datetime.datetime.now().astimezone()
    names = [machine.name for machine in machines]
    settings = {one.name: kept for one in machines if (kept := one.settings())}
    prices = {one.name: one.price_per_hour for one in machines if one.price_per_hour is not None}
    return RunFolder.create(
        output, plan, names, f"{preface}{command}", now, machines=settings, prices_per_hour=prices
    )


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


def measure(
    folder: RunFolder, hosts: Sequence[Host], observer: Observer, *, detach: bool = False
) -> None:
    """Measure on every host what the run still lacks there.

    Nobody else may be at it: the caller holds the folder.

    Raises: InterruptedRunError; StorageError; RunError.
    """
    plan = folder.plan()
    # Only what is left of each host is kept: a run's records may fill a gigabyte.
    left = {each.host: planning.for_resume(plan, each) for each in folder.each_outcome()}
    plans: dict[Host, Plan] = {}
    for name in dict.fromkeys(host.name for host in hosts):
        shared = _shared(left[name], [host for host in hosts if host.name == name])
        if not shared:
            observer.skipped(name, "complete: nothing is left to measure")
        plans |= shared
    fleet.run(plans, folder, observer, detach=detach)


def _shared(rest: Plan, lanes: Sequence[Host]) -> dict[Host, Plan]:
    """The plan of each GPU of a host; one that would have nothing to do gets none."""
    parts = (rest,) if len(lanes) == 1 else _parts(rest, len(lanes))
    return {host: part for host, part in zip(lanes, parts, strict=True) if part.attempts()}


def _parts(rest: Plan, count: int) -> tuple[Plan, ...]:
    return planning.share_out(rest, count, lambda case: estimate.share_s(rest, case))


def render(
    folder: RunFolder, against: Comparison | None = None, into: Path | None = None
) -> Rendered:
    """Write page and exports of a run from its records; the page holds it against a baseline.

    Args:
        against: an earlier run, or the published table, or nothing.
        into: a folder for them; the run's own by default.
    Raises: RunError.
    """
    compared = runs.read(folder)
    folder = folder if into is None else RunFolder(ensure_folder(into))
    if against is None:
        return _write(compared, folder)
    if against.is_published:
        return _write(compared, folder, baseline.against_published(compared))
    changed = changes.between(against, compared)
    rendered = _write(compared, folder, baseline.against_run(changed))
    return replace(rendered, changes=changed)


def render_published(output: Path) -> Rendered:
    """Write page and exports of the published table. Raises: RunError."""
    folder = RunFolder(ensure_folder(output / published_table.PUBLISHED_RUN))
    return _write(published_table.build_published(), folder)


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


def exit_code(compared: Comparison) -> int:
    """0: everything was measured, running out of memory being a result; 1: something was not, if
    only eager against eager. What a host as a whole could not do is no finding about a case.

    Raises: NoHostError: no host even started.
    """
    if compared.is_published:
        return 0
    if all(host.never_started and host.ending != "interrupted" for host in compared.hosts):
        causes = (row.problem.message for row in compared.rows if row.problem)
        why = "\n".join(dict.fromkeys(causes)) or "the run names none"
        raise NoHostError(f"no host could measure: {why}", "The folder logs/ of the run says more.")
    problems = [row.problem for row in compared.rows if row.problem is not None]
    problems += [problem for host in compared.hosts for problem in host.noise_problems]
    return int(any(problem.reason not in FINDINGS for problem in problems))


def _write(compared: Comparison, folder: RunFolder, held: Baseline | None = None) -> Rendered:
    writers: dict[str, Callable[[Comparison], str]] = {
        "results.csv": exports.to_csv,
        "results.json": exports.to_json,
        "results.md": exports.to_markdown,
        PAGE: lambda compared: report.render(compared, held),
    }
    for name, write in writers.items():
        folder.write(name, write(compared))
    return Rendered(compared, (folder.path / PAGE).resolve())

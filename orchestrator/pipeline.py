"""The straight line: hosts and a plan -> records on disk -> comparison -> page and exports."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.plan import Plan
from orchestrator import baseline, changes, exports, fleet, planning, published_table, report, runs
from orchestrator.baseline import Baseline
from orchestrator.changes import Changes
from orchestrator.comparison import Comparison
from orchestrator.errors import NoHostError
from orchestrator.fleet import Observer
from orchestrator.hosts import Host
from orchestrator.rundir import RunFolder, ensure_folder

PAGE: Final = "report.html"
# A failure that is a finding about the GPU; the run itself went as it should.
FINDINGS: Final = frozenset({"oom", "unsupported"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written, and what it says."""

    comparison: Comparison
    page: Path
    changes: Changes | None = None


def new_run(output: Path, plan: Plan, hosts: Sequence[Host], arguments: Sequence[str]) -> RunFolder:
    """Make the folder of a new run. Raises: RunError."""
    command = shlex.join(["python", "orchestrate.py", *arguments])
    now = datetime.datetime.now().astimezone()
    return RunFolder.create(output, plan, [host.name for host in hosts], command, now)


def measure(folder: RunFolder, hosts: Sequence[Host], observer: Observer) -> None:
    """Measure on every host what the run still lacks there.

    Raises: InterruptedRunError; DeskError.
    """
    plan = folder.plan()
    outcomes = {outcome.host: outcome for outcome in folder.outcomes()}
    plans = {host: planning.for_resume(plan, outcomes[host.name]) for host in hosts}
    fleet.run({host: rest for host, rest in plans.items() if rest.cases()}, folder, observer)


def render(folder: RunFolder, against: Comparison | None = None) -> Rendered:
    """Write page and exports of a run from its records; the page holds it against a baseline.

    Args:
        against: an earlier run, or the published table, or nothing.
    Raises: RunError.
    """
    compared = runs.read(folder)
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


def require_usable(hosts: Sequence[Host], plan: Plan) -> None:
    """Raises: NoHostError of the first host that cannot measure, before anything is started."""
    for host in hosts:
        host.check(plan)


def exit_code(compared: Comparison) -> int:
    """0: everything was measured, running out of memory being a result; 1: something was not.

    Raises: NoHostError: no host even started.
    """
    if compared.is_published:
        return 0
    if not any(host.environment for host in compared.hosts):
        why = next((row.problem.message for row in compared.rows if row.problem), "")
        raise NoHostError(f"no host could measure: {why}", "The folder logs/ of the run says more.")
    unmeasured = [row for row in compared.rows if row.problem is not None]
    return int(any(row.problem and row.problem.reason not in FINDINGS for row in unmeasured))


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

"""The straight line: hosts and a plan -> records on disk -> comparison -> page and exports."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.plan import Plan
from orchestrator import comparison, exports, fleet, planning, report
from orchestrator.comparison import Comparison, RunInfo
from orchestrator.errors import NoHostError
from orchestrator.files import ensure_folder
from orchestrator.fleet import Observer
from orchestrator.hosts import Host
from orchestrator.rundir import RunFolder

PAGE: Final = "report.html"
# A failure that is a finding about the GPU; the run itself went as it should.
FINDINGS: Final = frozenset({"oom", "unsupported"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written, and what it says."""

    comparison: Comparison
    page: Path


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


def render(folder: RunFolder) -> Rendered:
    """Write page and exports of a run from its records. Raises: RunError."""
    meta, plan = folder.meta(), folder.plan()
    info = RunInfo(meta.run_id, meta.created, meta.command, plan)
    return _write(comparison.build(info, plan, folder.outcomes()), folder)


def render_published(output: Path) -> Rendered:
    """Write page and exports of the published table. Raises: RunError."""
    return _write(
        comparison.build_published(), RunFolder(ensure_folder(output / comparison.PUBLISHED_RUN))
    )


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


def _write(compared: Comparison, folder: RunFolder) -> Rendered:
    writers: dict[str, Callable[[Comparison], str]] = {
        "results.csv": exports.to_csv,
        "results.json": exports.to_json,
        "results.md": exports.to_markdown,
        PAGE: report.render,
    }
    for name, write in writers.items():
        folder.write(name, write(compared))
    return Rendered(compared, (folder.path / PAGE).resolve())

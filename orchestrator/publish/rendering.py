"""Records of a run -> comparison -> page and exports in its folder, and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.changes import changes
from orchestrator.changes.changes import Changes
from orchestrator.compare import published_table, runs
from orchestrator.compare.comparison import Comparison
from orchestrator.errors import NoHostError
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

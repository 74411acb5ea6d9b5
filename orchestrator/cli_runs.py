"""The commands about runs that are on disk already.

Each prints, and returns an exit code or raises a DeskError, like those of `cli`, which registers
them. Nothing but the two prints to standard output.
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator import options, options_runs
from orchestrator.errors import DeskError, UsageError
from orchestrator.exits import complain

if TYPE_CHECKING:
    from orchestrator.changes import Changes
    from orchestrator.comparison import Comparison
    from orchestrator.rundir import RunFolder

REGRESSED: Final = 4
COMPARE_PAGE: Final = "compare.html"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ends: where runs are, what the page holds them against, what is printed."""

    output: Path
    against: Comparison | None
    limit_percent: float | None
    as_json: bool


def against(
    output: Path, baseline: str, limit_percent: float | None, of: RunFolder | None = None
) -> Comparison | None:
    """The baseline of a run, read before anything is measured. Raises: UsageError."""
    from orchestrator import runs

    found = runs.baseline(output, baseline, of)
    require_limit(limit_percent, found)
    return found


def compare(
    before: options_runs.RunA,
    after: options_runs.RunB,
    output: options.Output = Path("reports"),
    as_json: options.Json = False,
    fail_on_regression: options_runs.FailOnRegression = None,
) -> int:
    """Compare two runs: what changed significantly, and by how much.

    Writes [bold]compare.html[/bold] into the folder of the runs.
    """
    from orchestrator import change_page, change_summary, changes, runs
    from orchestrator.rundir import ensure_folder, write_whole

    folders = [_measured_run(output, name) for name in (before, after)]
    if folders[0].path == folders[1].path:
        raise UsageError(f"{before} and {after} are the same run", "Name two different ones.")
    earlier, later = (runs.read(folder) for folder in folders)
    require_limit(fail_on_regression, earlier)
    found = changes.between(earlier, later)
    page = write_whole(ensure_folder(output) / COMPARE_PAGE, change_page.render(found)).resolve()
    if as_json:
        print(change_page.dumps(change_page.to_json(found) | {"page": str(page)}))
    else:
        print(change_summary.to_text(found, page, width()))
    return gate(found, fail_on_regression)


def index(output: options.Output = Path("reports"), as_json: options.Json = False) -> int:
    """List all runs on one page, with trends: index.html, ready to be published.

    It is made again after every run, too.
    """
    from orchestrator import index_page
    from orchestrator.wording import many, one_line

    found = index_page.rebuild(output)
    for left in found.left_out:
        complain(one_line(f"left out: {left.folder} {left.why}"))
    if as_json:
        content = {
            "page": str(found.page),
            "runs": [run.folder for run in found.runs],
            "left_out": {left.folder: left.why for left in found.left_out},
        }
        print(json.dumps(content, indent=2))
    else:
        print(f"{many(len(found.runs), 'run')}\nPage: {found.page}")
    return 0


def export(
    run: options.Run,
    wanted: options_runs.Format,
    to: options_runs.To = None,
    output: options.Output = Path("reports"),
) -> int:
    """Write a run's results as CSV, JSON or Markdown, or its charts as SVG or PNG files.

    RUN may also be [bold]published[/bold].
    """
    from orchestrator import exports, figures, runs
    from orchestrator.rundir import write_whole

    compared, folder = runs.find(output, run)
    if wanted in (options_runs.FormatName.SVG, options_runs.FormatName.PNG):
        png = wanted is options_runs.FormatName.PNG
        for path in figures.save(figures.figures(compared), to or folder / "charts", png=png):
            print(path)
        return 0
    writers = {
        options_runs.FormatName.CSV: exports.to_csv,
        options_runs.FormatName.JSON: exports.to_json,
        options_runs.FormatName.MD: exports.to_markdown,
    }
    text = writers[wanted](compared)
    if to is None:
        print(text, end="")
    else:
        print(write_whole(to, text))
    return 0


def refresh_index(output: Path, page: Path) -> None:
    """List a run that was just written; a folder that it is not in stays as it is. An index that
    cannot be written costs the run nothing but a sentence."""
    from orchestrator import index_page

    if page.parent.parent != output.resolve():
        return
    try:
        index_page.rebuild(output)
    except DeskError as error:
        complain(error.sentence, error.advice)


def require_limit(percent: float | None, against: Comparison | None) -> None:
    """Raises: UsageError: a limit that is no number, or nothing measured to hold a run against."""
    if percent is None:
        return
    if not math.isfinite(percent) or percent < 0:
        raise UsageError(
            f"--fail-on-regression {percent:g} is not possible",
            "Give percent, 0 or more; the practical threshold of a change holds as well.",
        )
    if against is None or against.is_published:
        name = "none" if against is None else "published"
        why = "there is nothing to regress from" if against is None else "its means have no spread"
        raise UsageError(
            f"--fail-on-regression needs a measured baseline; with --baseline {name} {why}",
            "Name a run:  --baseline RUN",
        )


def refuse_baseline_of_published(baseline: str, percent: float | None) -> None:
    """Raises: UsageError: the published table would be held against something."""
    from orchestrator.published_table import PUBLISHED_RUN
    from orchestrator.runs import NO_BASELINE

    if percent is not None or baseline not in (PUBLISHED_RUN, NO_BASELINE):
        raise UsageError(
            "published means have no spread, so they are held against no baseline",
            "Leave out --baseline and --fail-on-regression.",
        )


def gate(changes: Changes | None, percent: float | None) -> int:
    """0, or REGRESSED with a sentence on standard error.

    Raises: UsageError: nothing could be judged, and passing would look like success.
    """
    from orchestrator import change_summary
    from orchestrator.changes import regressions

    if percent is None or changes is None:
        return 0
    if not changes.compared:
        raise UsageError(
            f"--fail-on-regression has nothing to judge: no case has times both in "
            f"{changes.before.run.run_id} and in {changes.after.run.run_id}",
            "The page lists what each of them has.",
        )
    found = regressions(changes, percent)
    if not found:
        return 0
    complain(change_summary.regressed(found, percent, f"run {changes.before.run.run_id}"))
    return REGRESSED


def width() -> int | None:
    """Columns of the terminal, if standard output is one."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None


def _measured_run(output: Path, name: str) -> RunFolder:
    from orchestrator.published_table import PUBLISHED_RUN
    from orchestrator.rundir import RunFolder

    if name == PUBLISHED_RUN:
        raise UsageError(
            "published means have no spread, so nothing can be said about their changes",
            "To see them beside a run:  python orchestrate.py report RUN --baseline published",
        )
    return RunFolder.find(output, name)

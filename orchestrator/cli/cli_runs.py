"""The commands about runs that are on disk already.

Each prints what it found, and returns an exit code or raises a DeskError; `cli` registers them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.cli import console, options, options_runs
from orchestrator.cli.console import Terminal
from orchestrator.cli.exits import complain
from orchestrator.errors import RunError, UsageError

if TYPE_CHECKING:
    from orchestrator.records.rundir import RunFolder

# Where charts of the table of 2023 go, which has no folder of its own.
PUBLISHED_CHARTS: Final = Path("published-charts")
# Of a run's name, in the name of a page: a file name has 255 characters.
_NAMED: Final = 100


def compare(
    before: options_runs.RunA,
    after: options_runs.RunB,
    output: options.Output = Path("reports"),
    to: options_runs.PageTo = None,
    as_json: options.Json = False,
    fail_on_regression: options_runs.FailOnRegression = None,
    no_redact: options.NoRedact = False,
) -> int:
    """Compare two runs on a page: what changed significantly, and by how much."""
    from orchestrator import redaction
    from orchestrator.changes import changes, gate
    from orchestrator.cli import change_summary
    from orchestrator.compare import runs
    from orchestrator.publish import change_page
    from orchestrator.records.files import write_whole

    redaction.keep_places(no_redact)
    folders = [_measured_run(output, name) for name in (before, after)]
    if folders[0].path == folders[1].path:
        raise UsageError(f"{before} and {after} are the same run", "Name two different ones.")
    earlier, later = (runs.read(folder) for folder in folders)
    gate.require_limit(fail_on_regression, earlier)
    found = changes.between(earlier, later)
    page = write_whole(to or _page_for(output, folders), change_page.render(found)).resolve()
    if as_json:
        print(change_page.dumps(change_page.to_json(found) | {"page": str(page)}))
    else:
        print(change_summary.to_text(found, page, console.width()))
    if fail_on_regression is None:
        return 0
    passed = gate.judge(found, fail_on_regression)
    Terminal("none").regressions(passed)
    return passed.exit_code


def index(output: options.Output = Path("reports"), as_json: options.Json = False) -> int:
    """List all runs on one page, with trends: index.html, ready to be published.

    It is made again after every run, too.
    """
    from orchestrator.publish import index_page
    from orchestrator.wording import many, one_line

    if not output.is_dir():
        raise RunError(f"there is no folder {output}", "Name the folder of runs with --output.")
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
    output: options_runs.Output = None,
    no_redact: options.NoRedact = False,
) -> int:
    """Write a run's results as CSV, JSON or Markdown, or its charts as SVG or PNG files.

    RUN may also be [bold]published[/bold].
    """
    from orchestrator import redaction
    from orchestrator.compare import runs
    from orchestrator.page import exports
    from orchestrator.publish import figures
    from orchestrator.records.files import write_whole

    redaction.keep_places(no_redact)
    compared, folder = runs.find(output or runs.OUTPUT, run)
    if wanted in (options_runs.FormatName.SVG, options_runs.FormatName.PNG):
        png = wanted is options_runs.FormatName.PNG
        place = to or _charts_of(folder, output)
        for path in figures.save(figures.figures(compared), place, png=png):
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
    elif write_whole(to, text).is_file():  # where it went to /dev/stdout, nothing follows it
        print(to)
    return 0


def refuse_baseline_of_published(baseline: str, percent: float | None) -> None:
    """Raises: UsageError: the published table would be held against something."""
    from orchestrator.compare.published_table import PUBLISHED_RUN
    from orchestrator.compare.runs import NO_BASELINE

    if percent is not None or baseline not in (PUBLISHED_RUN, NO_BASELINE):
        raise UsageError(
            "published means have no spread, so they are held against no baseline",
            "Leave out --baseline and --fail-on-regression.",
        )


def _page_for(output: Path, folders: Sequence[RunFolder]) -> Path:
    """A page of its own for every two runs, so that none overwrites another."""
    from orchestrator.records.files import ensure_folder

    names = "-".join(folder.path.name[:_NAMED] for folder in folders)
    return ensure_folder(output) / f"compare-{names}.html"


def _charts_of(folder: RunFolder | None, output: Path | None) -> Path:
    from orchestrator.compare import runs

    if folder is None:
        return PUBLISHED_CHARTS if output is None else output / PUBLISHED_CHARTS
    return runs.place_for(folder, output) / "charts"


def _measured_run(output: Path, name: str) -> RunFolder:
    from orchestrator.compare.published_table import PUBLISHED_RUN
    from orchestrator.records.rundir import RunFolder

    if name == PUBLISHED_RUN:
        raise UsageError(
            "published means have no spread, so nothing can be said about their changes",
            "To see them beside a run:  python orchestrate.py report RUN --baseline published",
        )
    return RunFolder.find(output, name)

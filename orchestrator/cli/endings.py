"""How a command about runs ends: the index made again, the run held against its baseline.

What is to be said goes to standard error; the exit code is returned, or a DeskError raised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.cli.exits import complain
from orchestrator.errors import DeskError, UsageError

if TYPE_CHECKING:
    from orchestrator.changes.changes import Changes
    from orchestrator.compare.comparison import Comparison
    from orchestrator.records.rundir import RunFolder

REGRESSED: Final = 4


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ends: where runs are, what the page holds them against, what is printed.

    `limit_percent` is how much slower than a measured baseline a case may have become.
    """

    output: Path
    against: Comparison | None
    limit_percent: float | None
    as_json: bool


def against(
    output: Path, baseline: str, limit_percent: float | None, of: RunFolder | None = None
) -> Comparison | None:
    """The baseline of a run, read before anything is measured. Raises: UsageError."""
    from orchestrator.compare import runs

    found = runs.baseline(output, baseline, of)
    require_limit(limit_percent, found)
    return found


def refresh_index(output: Path, page: Path) -> None:
    """List a run that was just written; a folder that it is not in stays as it is. An index that
    cannot be written costs the run nothing but a sentence."""
    from orchestrator.publish import index_page

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
    from orchestrator.compare.published_table import PUBLISHED_RUN
    from orchestrator.compare.runs import NO_BASELINE

    if percent is not None or baseline not in (PUBLISHED_RUN, NO_BASELINE):
        raise UsageError(
            "published means have no spread, so they are held against no baseline",
            "Leave out --baseline and --fail-on-regression.",
        )


def gate(changes: Changes | None, percent: float | None) -> int:
    """0; or, with a sentence on standard error, REGRESSED, or 1 where cases work no more.

    Raises: UsageError: nothing could be judged, and passing would look like success.
    """
    from orchestrator.changes.changes import regressions
    from orchestrator.cli import change_summary

    if percent is None or changes is None:
        return 0
    if not changes.compared and not changes.broken:
        raise UsageError(
            f"--fail-on-regression has nothing to judge: no case has times both in "
            f"{changes.before.run.name} and in {changes.after.run.name}",
            "The page lists what each of them has.",
        )
    kind = changes.before.rehearsal
    baseline = f"run {changes.before.run.name}{f' (a rehearsal: {kind})' if kind else ''}"
    if changes.broken:
        complain(change_summary.broken(changes.broken, baseline))
    found = regressions(changes, percent)
    if found:
        complain(change_summary.regressed(found, percent, baseline))
        return REGRESSED
    return 1 if changes.broken else 0

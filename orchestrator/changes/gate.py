"""Whether a run became slower than its baseline by more than a user permits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from orchestrator.changes.changes import Changes, Match, regressions
from orchestrator.compare.comparison import Comparison
from orchestrator.errors import UsageError

REGRESSED: Final = 4


@dataclass(frozen=True, slots=True)
class Gate:
    """What a limit lets pass: nothing where cases `regressed` by more than `percent`, or work no
    more."""

    changes: Changes
    percent: float
    regressed: tuple[Match, ...]

    @property
    def exit_code(self) -> int:
        """REGRESSED, or 1 where cases work no more, or 0."""
        return REGRESSED if self.regressed else int(bool(self.changes.broken))


def judge(changes: Changes, percent: float) -> Gate:
    """Raises: UsageError: nothing could be judged, and passing would look like success."""
    if not changes.compared and not changes.broken:
        raise UsageError(
            f"--fail-on-regression has nothing to judge: no case has times both in "
            f"{changes.before.run.name} and in {changes.after.run.name}",
            "The page lists what each of them has.",
        )
    return Gate(changes, percent, regressions(changes, percent))


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

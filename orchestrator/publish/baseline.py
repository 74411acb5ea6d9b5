"""The section of a run's page that holds it against a baseline (pure).

Against another measured run, changes are judged. Published means have no spread: measured ones are
set beside them as plain ratios, and nothing is judged.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from orchestrator import wording
from orchestrator.changes import change_tables
from orchestrator.changes.change_tables import ChangeView
from orchestrator.changes.changes import Changes
from orchestrator.compare.comparison import Comparison, Row
from orchestrator.page.naming import case_name

T = TypeVar("T")
# Lines of each table: 432 cases of which most changed would be a third of the page of a run.
MAX_LINES: Final = 36


@dataclass(frozen=True, slots=True)
class BesideLine:
    """One case beside its published means: values and ratios in words, no verdict."""

    name: str
    compiled: str
    eager: str
    speed_up: str
    source: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """Either the view of two measured runs, or lines beside published means and what they are.

    A view may be too long for the page of a run: `left_out` says what it lacks, `command` what
    writes a page with all of it.
    """

    view: ChangeView | None
    beside: tuple[BesideLine, ...] = ()
    sentence: str = ""
    left_out: tuple[str, ...] = ()
    command: str = ""


def against_run(changes: Changes) -> Baseline:
    """The section about a measured baseline: what changed most, and all of it if that is short."""
    whole = change_tables.view(changes)
    view = replace(
        whole,
        moved=whole.moved[:MAX_LINES],
        unmoved=_whole_or_none(whole.unmoved, MAX_LINES - len(whole.moved)),
        outcomes=whole.outcomes[:MAX_LINES],
        only_before=_whole_or_none(whole.only_before),
        only_after=_whole_or_none(whole.only_after),
    )
    names = (wording.redacted(run.run.name) for run in (changes.before, changes.after))
    return Baseline(
        view,
        left_out=tuple(_left_out(whole, view)),
        command=shlex.join(["python", "orchestrate.py", "compare", *names]),
    )


def _whole_or_none(lines: tuple[T, ...], room: int = MAX_LINES) -> tuple[T, ...]:
    return lines if len(lines) <= room else ()


def _left_out(whole: ChangeView, shown: ChangeView) -> Iterable[str]:
    for words, all_of_them, some in (
        ("that changed less", whole.moved, shown.moved),
        ("without a significant change", whole.unmoved, shown.unmoved),
        ("without times in at least one run", whole.outcomes, shown.outcomes),
        ("only in the baseline", whole.only_before, shown.only_before),
        ("only in this run", whole.only_after, shown.only_after),
    ):
        if number := len(all_of_them) - len(some):
            yield f"{wording.many(number, 'case')} {words}"


def against_published(comparison: Comparison) -> Baseline:
    """The section about the published table; without lines where it has no such case."""
    lines = tuple(_lines(comparison.rows))
    if not lines:
        return Baseline(
            None,
            sentence="The table published in 2023 has no case of this run: it knows an A100, a "
            "V100 and a T4 in float32, at batch 1, 4 and 16. Another run can be the baseline, too.",
        )
    return Baseline(
        None,
        lines,
        f"That table has {wording.many(len(lines), 'case')} of this run, in float32. It gives "
        "means without spread, from another machine and older releases: the ratios below "
        "(this run ÷ published; below 1, less time) are plain numbers and no verdict.",
    )


def _lines(rows: Iterable[Row]) -> Iterable[BesideLine]:
    for row in rows:
        found = row.published
        if found is None or row.eager is None or row.compiled is None or row.speed_up is None:
            continue
        if found.eager_s is None or found.compiled_s is None:
            continue
        speed_ups = (found.eager_s / found.compiled_s, row.speed_up.value)
        yield BesideLine(
            name=f"{case_name(row, precision=False)} on {wording.device(row.gpu)}",
            compiled=_beside(found.compiled_s, row.compiled.mean.value),
            eager=_beside(found.eager_s, row.eager.mean.value),
            speed_up=" → ".join(map(wording.speed_up, speed_ups)),
            source=f"torch {found.torch}",
        )


def _beside(published_s: float, measured_s: float) -> str:
    """Published and measured milliseconds, and what one is of the other."""
    before, after = (wording.significant(value * 1000) for value in (published_s, measured_s))
    return f"{before} → {after} ms, {wording.speed_up(measured_s / published_s)}"

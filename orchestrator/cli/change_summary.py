"""What the command line says about two runs (pure)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator import wording
from orchestrator.changes import change_tables, change_words
from orchestrator.changes.changes import Changes, Judged, Match
from orchestrator.cli.summary import MAX_ROWS, fitting, new_table
from orchestrator.page.naming import case_name

if TYPE_CHECKING:
    from rich.table import Table

_VALUES: Final = ("95 % interval", "Eager", "Speed-up")
_FEWER: Final = (3, 2, 1, 0)


def to_text(changes: Changes, page: Path, width: int | None) -> str:
    """What differs around the runs, a table, the page's path, and the answer as the last line.

    Args:
        width: columns of the terminal; None where there is none, and lines need no breaking.
    """
    said = change_words.said(changes)
    answer = " ".join((f"{said.headline}.", said.sentence, change_words.caution(changes))).rstrip()
    parts = [_filled(line, width) for line in _differences(changes)]
    if changes.compared:
        parts.append(fitting(lambda shown: _table(changes.compared, shown), _FEWER, width))
    if len(changes.compared) > MAX_ROWS:
        parts.append(f"… and {len(changes.compared) - MAX_ROWS} more on the page")
    parts += [_filled(line, width) for line in _unmatched(changes)]
    return "\n".join([*parts, f"Page: {page}", _filled(answer, width)])


def broken(found: Sequence[Match], baseline: str) -> str:
    """One sentence about the cases that were measured before and are not any more."""
    verb = "was" if len(found) == 1 else "were"
    cases = change_words.first(list(map(change_words.where, found)))
    return (
        f"{wording.many(len(found), 'case')} {verb} measured in {wording.one_line(baseline)} and "
        f"failed or went missing since: {cases}"
    )


def regressed(found: Sequence[Match], percent: float, baseline: str) -> str:
    """One sentence about the cases that became slower than a limit allows."""
    cases = [
        f"{change_words.where(match)}, {change_words.with_interval(match.compiled.ratio)}"
        for match in found
        if match.compiled is not None
    ]
    verb = "is" if len(found) == 1 else "are"
    return (
        f"{wording.many(len(found), 'case')} {verb} significantly slower than in "
        f"{wording.one_line(baseline)} by more than {percent:g} %: {change_words.first(cases)}"
    )


def _table(matches: Sequence[Match], shown: int) -> Table:
    """What is the same in all cases goes without saying."""
    rows = [match.after for match in matches]
    several = {
        "gpu": len({row.gpu for row in rows}) > 1,
        "mode": len({row.case.mode for row in rows}) > 1,
        "precision": len({row.case.precision for row in rows}) > 1,
    }
    table = new_table("Case")
    for heading in ("Compiled", *_VALUES[:shown]):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for match in matches[:MAX_ROWS]:
        compiled, *values, verdict = _row(match)
        table.add_row(_name(match, several), compiled, *values[:shown], verdict)
    return table


def _name(match: Match, several: Mapping[str, bool]) -> str:
    row = match.after
    name = case_name(row, mode=several["mode"], precision=several["precision"])
    return f"{name} on {wording.device(row.gpu)}" if several["gpu"] else name


def _row(match: Match) -> tuple[str, ...]:
    assert match.compiled is not None
    assert match.eager is not None
    assert match.speed_up is not None
    return (
        _change(match.compiled),
        change_words.interval(match.compiled.ratio) or wording.NOTHING,
        _change(match.eager),
        _change(match.speed_up),
        change_words.verdict(match.compiled),
    )


def _change(judged: Judged) -> str:
    return change_words.percent_change(judged.ratio.value)


def _differences(changes: Changes) -> list[str]:
    """A line per pair of hosts whose environments differ."""
    return [
        f"Differs on {pair.name}: "
        + "; ".join(f"{line.name} {' → '.join(line.values)}" for line in pair.differing)
        for pair in change_tables.surroundings(changes)
        if pair.differing
    ]


def _unmatched(changes: Changes) -> list[str]:
    sides = (
        (changes.only_before, changes.before.run.name),
        (changes.only_after, changes.after.run.name),
    )
    return [
        f"{wording.many(len(rows), 'case')} only in {wording.one_line(run_id)}"
        for rows, run_id in sides
        if rows
    ]


def _filled(text: str, width: int | None) -> str:
    text = wording.one_line(text)
    return textwrap.fill(text, width) if width else text

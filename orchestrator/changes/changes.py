"""What changed from one run to another (pure).

Cases are matched on processor, model, mode, precision and batch size; a host's name says nothing,
because machines are rented under new ones every day. Only of a host that never started is the name
all that is known, and there it is what a host is known by. What has no counterpart is listed. A
rehearsal, such as one with shrunken models or on a fake GPU, matches its like alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from orchestrator.compare import rehearsal
from orchestrator.compare.comparison import Comparison, Row, causes_of
from orchestrator.statistics import multiplicity, significance, statistics
from orchestrator.statistics.significance import Change
from orchestrator.statistics.statistics import PRACTICAL_THRESHOLD, Estimate
from orchestrator.statistics.times import Times

Direction: TypeAlias = Literal["higher", "lower", "same", "unclear"]
Key: TypeAlias = tuple[str, ...]

_DIRECTIONS: Final[dict[statistics.Decision, Direction]] = {
    "faster": "higher", "slower": "lower", "same": "same", "unclear": "unclear",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """The later run divided by the earlier one, and what that supports.

    `adjusted_p` is None where a run has too few blocks to say anything.
    """

    ratio: Estimate
    adjusted_p: float | None
    direction: Direction

    @property
    def is_significant(self) -> bool:
        return self.direction in ("higher", "lower")


@dataclass(frozen=True, slots=True)
class Match:
    """One case in both runs. The three are None where either run has no times for it."""

    before: Row
    after: Row
    compiled: Judged | None = None
    eager: Judged | None = None
    speed_up: Judged | None = None

    @property
    def is_significant(self) -> bool:
        return any(j and j.is_significant for j in (self.compiled, self.eager, self.speed_up))


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that two runs say together."""

    before: Comparison
    after: Comparison
    matches: tuple[Match, ...]
    only_before: tuple[Row, ...]
    only_after: tuple[Row, ...]

    @property
    def compared(self) -> tuple[Match, ...]:
        """The matches with times in both runs."""
        return tuple(match for match in self.matches if match.compiled is not None)

    @property
    def compiled_counts(self) -> dict[Direction, int]:
        return dict(Counter(m.compiled.direction for m in self.compared if m.compiled))

    @property
    def outcome_changed(self) -> tuple[Match, ...]:
        """The matches with times in exactly one of the two runs."""
        return tuple(m for m in self.matches if (m.before.eager is None) != (m.after.eager is None))

    @property
    def broken(self) -> tuple[Match, ...]:
        """The matches that had times in the earlier run and have none in the later one."""
        return tuple(m for m in self.outcome_changed if m.after.eager is None)

    @property
    def without_times(self) -> tuple[Match, ...]:
        """The matches without times in either run."""
        return tuple(m for m in self.matches if m.before.eager is None and m.after.eager is None)

    @property
    def hosts(self) -> tuple[tuple[str, str], ...]:
        """The names of hosts that were matched, earlier and later run."""
        return tuple(dict.fromkeys((m.before.host, m.after.host) for m in self.matches))


def between(before: Comparison, after: Comparison) -> Changes:
    """Compare two measured runs, the later with the earlier.

    False discoveries are controlled over all three questions of all cases together. A difference is
    higher or lower where its adjusted p-value and its interval both exclude no change *and* it
    exceeds the practical threshold.
    """
    pairs, only_before, only_after = _matched(before, after)
    matches = [Match(*pair) for pair in pairs]
    changes = [_changes_of(match) for match in matches]
    p_values = [change.p_value for each in changes for change in each]
    adjusted = iter(multiplicity.adjusted(p_values))
    judged = tuple(
        Match(
            match.before,
            match.after,
            *(_judged(change, next(adjusted), _threshold(match)) for change in each),
        )
        for match, each in zip(matches, changes, strict=True)
    )
    return Changes(before, after, judged, only_before, only_after)


def regressions(changes: Changes, percent: float) -> tuple[Match, ...]:
    """The cases whose compiled time is significantly higher by more than that, worst first."""
    found = [
        (match.compiled.ratio.value, place, match)
        for place, match in enumerate(changes.compared)
        if match.compiled is not None
        and match.compiled.direction == "higher"
        and match.compiled.ratio.value > 1 + percent / 100
    ]
    return tuple(match for _, _, match in sorted(found, key=lambda each: (-each[0], each[1])))


def _matched(
    before: Comparison, after: Comparison
) -> tuple[list[tuple[Row, Row]], tuple[Row, ...], tuple[Row, ...]]:
    """Pairs of rows in the order of the later run, and what is left of either."""
    waiting = _by_key(before, after)
    pairs: dict[int, tuple[Row, Row]] = {}
    used: set[int] = set()
    for key, later in _by_key(after, before).items():
        for one, other in _paired(waiting.get(key, []), later):
            pairs[id(other)] = (one, other)
            used.add(id(one))
    return (
        [pairs[id(row)] for row in after.rows if id(row) in pairs],
        tuple(row for row in before.rows if id(row) not in used),
        tuple(row for row in after.rows if id(row) not in pairs),
    )


def _paired(earlier: Sequence[Row], later: Sequence[Row]) -> Iterable[tuple[Row, Row]]:
    """Rows of one key. Several hosts with the same processor are told apart by name; a single
    host that is left on either side matches whatever it is called."""
    by_name = {row.host: row for row in earlier}
    same = [(by_name[row.host], row) for row in later if row.host in by_name]
    yield from same
    names = {row.host for _, row in same}
    rest = [[row for row in rows if row.host not in names] for rows in (earlier, later)]
    if len(rest[0]) == len(rest[1]) == 1:
        yield rest[0][0], rest[1][0]


def _by_key(comparison: Comparison, other: Comparison) -> dict[Key, list[Row]]:
    # A fake GPU bears a name of its own, and a host that never started bears none.
    kind = rehearsal.in_words(causes_of(comparison.run.plan, ()))
    processors = {host.host: host.gpu for host in other.hosts}
    found: dict[Key, list[Row]] = {}
    for row in comparison.rows:
        gpu = row.gpu or processors.get(row.host, "")
        name = "" if gpu else row.host
        found.setdefault((gpu, name, row.case.case_id, kind), []).append(row)
    return found


def _changes_of(match: Match) -> tuple[Change, ...]:
    """Compiled, eager and speed-up; nothing where either run has no samples."""
    before, after = _blocks(match.before), _blocks(match.after)
    if before is None or after is None:
        return ()
    return (
        significance.change_of_mean(before[1], after[1]),
        significance.change_of_mean(before[0], after[0]),
        significance.change_of_speed_up(before, after),
    )


def _blocks(row: Row) -> tuple[Times, Times] | None:
    if row.measurement is None:
        return None
    timings = row.measurement.timings
    return Times.of(timings.of("eager")), Times.of(timings.of("compiled"))


def _judged(change: Change, adjusted_p: float | None, threshold: float) -> Judged:
    decision = statistics.decide(change.ratio, threshold, adjusted_p)
    return Judged(change.ratio, adjusted_p, _DIRECTIONS[decision])


def _threshold(match: Match) -> float:
    """A difference between two runs must exceed what either host shows without a cause."""
    known = (row.threshold for row in (match.before, match.after))
    return max((share for share in known if share is not None), default=PRACTICAL_THRESHOLD)

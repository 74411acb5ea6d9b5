"""What changed between two runs, in words as careful as the data (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.changes.changes import Changes, Direction, Judged, Match
from orchestrator.compare.comparison import HostSummary, Row
from orchestrator.page.answer import labelled
from orchestrator.page.naming import host_name, title
from orchestrator.statistics.statistics import Estimate

# A time that is higher is slower; a speed-up that is higher is just that.
TIME: Final[dict[Direction, str]] = {
    "higher": "slower", "lower": "faster", "same": "same", "unclear": "unclear",
}  # fmt: skip
MOVED: Final = ("slower", "faster")
# Of many cases as many are named in a sentence; the page has them all.
_NAMED: Final = 3
_IN: Final = {
    "slower": "slower in {}",
    "faster": "faster in {}",
    "same": "the same in {}",
    "unclear": "unclear in {}",
}
_CAUTION: Final = (
    "Intervals cover the noise within each run. What another day, temperature or reboot adds is in "
    "neither of them: before acting on a change, measure both again."
)


@dataclass(frozen=True, slots=True)
class Said:
    """A headline without a full stop, and one to three sentences."""

    headline: str
    sentence: str


def said(changes: Changes) -> Said:
    """The answer of a comparison: what works no more, how many compiled times changed, and which
    way. Rehearsals are called what they are."""
    found, rehearsals = _said(changes), _rehearsals(changes)
    if not (changes.matches and rehearsals):
        return found
    return Said(labelled(found.headline), f"{found.sentence} {rehearsals}".strip())


def _rehearsals(changes: Changes) -> str:
    """Which of the two runs is a rehearsal, and why; empty where none is."""
    before, after = changes.before, changes.after
    if before.rehearsal == after.rehearsal != "":
        return f"Both runs were rehearsals and are no results: {before.rehearsal}."
    return " ".join(
        f"Run {wording.one_line(run.run.name)} was a rehearsal and is no result: {run.rehearsal}."
        for run in (before, after)
        if run.rehearsal
    )


def _said(changes: Changes) -> Said:
    if not changes.matches:
        return Said("Nothing to compare: the two runs have no case in common", _nothing(changes))
    broken, named = _broken(changes.broken), _named(changes.broken)
    if not changes.compared:
        nothing = "no case has times in both runs"
        common = f"{wording.many(len(changes.matches), 'case')} in common, none measured twice."
        headline = f"{broken}; {nothing}" if broken else f"Nothing to compare: {nothing}"
        return Said(headline, f"{named} {common}".strip())
    speed_ups = "" if _nothing_moved(changes) else _sentence(_speed_ups(changes))
    headline = _headline(changes)
    parts = (named, _the_rest(changes), speed_ups, _largest(changes), _with_eager(changes))
    return Said(
        f"{broken}; {headline[0].lower()}{headline[1:]}" if broken else headline,
        " ".join(part for part in parts if part),
    )


def caution(changes: Changes) -> str:
    """What the intervals of a comparison do not cover; empty where nothing was compared."""
    return _CAUTION if changes.compared else ""


def percent_change(ratio: float) -> str:
    """A ratio as a change: 1.12 is "+12 %", 1 is "±0 %"."""
    text = wording.percent(ratio - 1)
    return text if text[0] in f"+{wording.MINUS}" else f"±{text}"


def interval(estimate: Estimate) -> str:
    """The interval of a change: "+10 % to +14 %"; empty where there is none."""
    return wording.interval(estimate, percent_change)


def with_interval(estimate: Estimate) -> str:
    """A change with its interval in brackets."""
    found = interval(estimate)
    return f"{percent_change(estimate.value)}{f' ({found})' if found else ''}"


def verdict(judged: Judged) -> str:
    """What became of a time, with its symbol."""
    word = TIME[judged.direction]
    return f"{wording.SYMBOLS[word]} {word}"


def outcome(row: Row) -> str:
    """What became of a case: measured, or why not."""
    if row.problem is None:
        return "measured"
    return "not measured" if row.verdict == "missing" else wording.reason(row.problem.reason)


def where(match: Match) -> str:
    """A matched case in words, with its processor."""
    return title(match.after if match.after.gpu else match.before)


def first(cases: Sequence[str]) -> str:
    """The first cases of many by name, and how many more there are."""
    more = f"; and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return "; ".join(cases[:_NAMED]) + more


def pair_name(before: HostSummary, after: HostSummary) -> str:
    """Two matched hosts: their processor, and their names where those differ."""
    names = dict.fromkeys(wording.one_line(host.host) for host in (before, after))
    hosts = " → ".join(names)
    gpu = after.gpu or before.gpu
    return f"{wording.device(gpu)} ({hosts})" if gpu else hosts


def processors(changes: Changes) -> tuple[str, str]:
    """What each run measured on; of hosts that never started, that they did not."""
    before, after = (
        wording.listed([_processor(host, run.hosts) for host in run.hosts]) or "nothing"
        for run in (changes.before, changes.after)
    )
    return before, after


def _processor(host: HostSummary, among: Sequence[HostSummary]) -> str:
    name = host_name(host, among)
    return f"nothing ({name} never started)" if host.never_started else name


def _broken(found: Sequence[Match]) -> str:
    """How many cases had times in the earlier run and have none now, failures first."""
    failed = sum(match.after.verdict == "failed" for match in found)
    lost = len(found) - failed
    parts = []
    if failed:
        verb = "fails" if failed == 1 else "fail"
        parts.append(f"{wording.many(failed, 'case')} that worked before {verb}")
    if lost:
        verb = "was" if lost == 1 else "were"
        cases = f"{lost} more" if failed else f"{wording.many(lost, 'case')} measured before"
        parts.append(f"{cases} {verb} not measured again")
    return " and ".join(parts)


def _named(found: Sequence[Match]) -> str:
    """Those cases by name, with what became of each."""
    names = [f"{where(match)} ({outcome(match.after)})" for match in found]
    return f"Since then without times: {first(names)}." if names else ""


def _headline(changes: Changes) -> str:
    counts = _counts(changes)
    cases = wording.many(len(changes.compared), "case")
    moved = [_IN[word].format(wording.count(counts[word])) for word in MOVED if counts[word]]
    if moved:
        return f"Compiled code is {wording.listed(moved)} of {cases}"
    nothing = f"No significant change of the compiled time in {cases}"
    speed_ups = _speed_ups(changes)
    return f"{nothing}, but {speed_ups}" if speed_ups else nothing


def _speed_ups(changes: Changes) -> str:
    """How many speed-ups changed, and which way: what compiling is worth may change although
    compiled code does not. Empty where none did."""
    found = Counter(match.speed_up.direction for match in changes.compared if match.speed_up)
    ways: dict[Direction, str] = {"lower": "fell", "higher": "rose"}
    moved = [
        f"{verb} in {wording.many(found[way], 'case')}" for way, verb in ways.items() if found[way]
    ]
    return f"the speed-up {wording.listed(moved)}" if moved else ""


def _nothing_moved(changes: Changes) -> bool:
    return not any(_counts(changes)[word] for word in MOVED)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _the_rest(changes: Changes) -> str:
    """The cases that did not change, and those that could not be compared."""
    parts = [
        _IN[word].format(wording.count(number))
        for word, number in _counts(changes).items()
        if number and word not in MOVED
    ]
    text = wording.listed(parts)
    mended = len(changes.outcome_changed) - len(changes.broken)
    if mended:
        more = f"{wording.many(mended, 'further case')} measured only since"
        text = "; ".join(filter(None, (text, more)))
    return _sentence(text)


def _counts(changes: Changes) -> dict[str, int]:
    found = Counter(changes.compiled_counts)
    order: tuple[Direction, ...] = ("higher", "lower", "same", "unclear")
    return {TIME[direction]: found[direction] for direction in order}


def _largest(changes: Changes) -> str:
    significant = [m for m in changes.compared if m.compiled and m.compiled.is_significant]
    if not significant:
        return ""
    match = max(significant, key=_size)
    assert match.compiled is not None
    return f"Largest: {where(match)}, {with_interval(match.compiled.ratio)}."


def _size(match: Match) -> float:
    assert match.compiled is not None
    return max(match.compiled.ratio.value, 1 / match.compiled.ratio.value)


def _with_eager(changes: Changes) -> str:
    """Eager code is not compiled: where it moved as well, the compiler is not the first suspect."""
    moved = [m for m in changes.compared if m.compiled and m.compiled.is_significant]
    both = [m for m in moved if m.eager and _direction(m.eager) == _direction(m.compiled)]
    if not both:
        return ""
    which = f"{len(both)} of the {len(moved)} cases that changed"
    if len(both) == len(moved):
        which = "this case" if len(moved) == 1 else f"all {len(moved)} cases that changed"
    return (
        f"In {which}, eager code moved the same way: look at the machine, its clocks and its "
        "driver before the compiler."
    )


def _direction(judged: Judged | None) -> Direction | None:
    return None if judged is None else judged.direction


def _nothing(changes: Changes) -> str:
    before, after = processors(changes)
    if changes.before.rehearsal != changes.after.rehearsal:
        return f"{_rehearsals(changes)} A rehearsal is compared with its like alone."
    return (
        f"The earlier run measured on {before}, the later one on {after}. Cases are matched on "
        "processor, model, mode, precision and batch size."
    )

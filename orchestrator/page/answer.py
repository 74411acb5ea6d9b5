"""Puts a comparison into words, exactly as careful as its data (pure).

The unit is the case: one model in one mode, precision and batch size on one host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.compare import rehearsal
from orchestrator.compare.comparison import Comparison, HostSummary, Row, Verdict
from orchestrator.page import conditions
from orchestrator.page.judgement import PHRASES, Kind, compared, judge
from orchestrator.page.naming import host_name, processor, title
from orchestrator.statistics.statistics import geometric_mean

_MANY_HOSTS: Final = 4
_NAMED_NOISY: Final = 3

_OUTCOMES: Final[dict[Verdict, str]] = {
    "faster": "faster in {}",
    "slower": "slower in {}",
    "same": "no different in {}",
    "unclear": "unclear in {}",
}
_APART: Final[dict[Verdict, str]] = {"failed": "{} failed", "missing": "{} not measured"}
_ALONE: Final = {"check your model": "it depends: check your model", "not": "no, not"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a whole run: a headline without a full stop, and one to three sentences.

    `in_full` is the headline with long names as they are, where it had to shorten some.
    """

    headline: str
    sentence: str
    in_full: str = ""


def answer(comparison: Comparison) -> Answer:
    """Answer "is torch.compile worth it?" for a run, or describe the published table."""
    found = _answered(comparison)
    why = comparison.rehearsal
    if not why:
        return found
    return Answer(
        labelled(found.headline),
        f"{found.sentence} It was a rehearsal and is no result: {why}.",
        labelled(found.in_full) if found.in_full else "",
    )


def labelled(headline: str) -> str:
    """The headline of a rehearsal: what it is comes before what it found."""
    return f"{rehearsal.LABEL}: {headline[0].lower()}{headline[1:]}"


def _answered(comparison: Comparison) -> Answer:
    if comparison.is_published:
        return _published_answer(comparison.rows)
    if not comparison.rows:
        return Answer("No answer: this run has no cases", "No host delivered a case to compare.")
    if len(comparison.rows) == 1 and compared(comparison.counts):
        return _answer_of_one(comparison.rows[0], _noise(comparison.hosts))
    headline, in_full = (
        _opened(_headline(comparison.hosts, shortened=shortened), _told(comparison.rows))
        for shortened in (True, False)
    )
    sentences = (
        _counts_sentence(comparison),
        _size_sentence(comparison),
        _noise(comparison.hosts),
    )
    return _answer(headline, " ".join(filter(None, sentences)), in_full)


def _answer(headline: str, sentence: str, in_full: str) -> Answer:
    return Answer(headline, sentence, "" if headline == in_full else in_full)


def _opened(headline: str, counts: Mapping[Verdict, int]) -> str:
    """A headline as a sentence begins, and whether there is more to come."""
    if counts.get("missing") and compared(counts):
        headline = f"so far, {headline}"
    return headline[0].upper() + headline[1:]


def describe(row: Row) -> str:
    """One case in one sentence without a full stop: its verdict, ratio, times and break-even."""
    name = title(row)
    if row.problem is not None:
        words = row.verdict if row.verdict == "missing" else f"failed ({_why(row)})"
        return f"{name}: {words}"
    assert row.eager is not None
    assert row.compiled is not None
    assert row.speed_up is not None
    parts = [
        "published means, no verdict" if row.mean_only else row.verdict,
        with_interval(row),
        f"{wording.milliseconds(row.eager.mean.value)} eager, "
        f"{wording.milliseconds(row.compiled.mean.value)} compiled",
    ]
    if row.facts is not None and row.facts.eager.bound and row.facts.compiled.bound:
        bounds = dict.fromkeys((row.facts.eager.bound, row.facts.compiled.bound))
        parts.append(" → ".join(bounds))
    if row.verdict == "faster" and row.break_even is not None:
        parts.append(_pays_back(row.break_even.inferences or 0))
    if row.cost_per_million_images is not None:
        parts.append(wording.costs(*row.cost_per_million_images))
    if row.measurement is not None and row.measurement.stopped_early:
        parts.append(f"stopped early after {wording.many(row.eager.calls, 'call')} per variant")
    return f"{name}: {'; '.join(parts)}"


def with_interval(row: Row) -> str:
    """The speed-up with its interval in brackets: "1.32× (1.30× to 1.34×)"."""
    assert row.speed_up is not None
    text = wording.speed_up(row.speed_up.value)
    interval = wording.interval(row.speed_up, wording.speed_up)
    return f"{text} ({interval})" if interval else text


def _headline(hosts: Sequence[HostSummary], *, shortened: bool) -> str:
    found: dict[Kind, list[tuple[str, str]]] = {}
    for host in hosts:
        judgement = judge(host)
        found.setdefault(judgement.kind, []).append(
            (judgement.phrase, host_name(host, hosts, in_headline=shortened))
        )
    phrases = {kind: {phrase for phrase, _ in found[kind]} for kind in PHRASES if kind in found}
    parts = []
    for kind, said in phrases.items():
        phrase = said.pop() if len(said) == 1 else PHRASES[kind]
        phrase = _ALONE.get(phrase, phrase) if len(found) == 1 else phrase
        parts.append(f"{phrase}{_where([name for _, name in found[kind]], len(hosts))}")
    return "; ".join(parts)


def _where(names: Sequence[str], all_hosts: int) -> str:
    if len(names) < _MANY_HOSTS:
        return f" on {wording.listed(names)}"
    return f" on all {all_hosts} hosts" if len(names) == all_hosts else f" on {len(names)} hosts"


def _counts_sentence(comparison: Comparison) -> str:
    counts = _told(comparison.rows)
    number = compared(counts)
    if number == 0:
        return _failure_sentence(comparison.rows)
    apart = wording.listed(_found(counts, _APART))
    found = _found(counts, _OUTCOMES)
    cases = wording.many(number, "compared case")
    if len(found) == 1:
        words = next(words for verdict, words in _OUTCOMES.items() if counts.get(verdict))
        text = f"{words.format('')}{f'all {cases}' if number > 1 else 'the one compared case'}"
    else:
        text = f"{found[0]} of {cases}, {wording.listed(found[1:])}"
    text = f"{_setting(comparison.rows)}compiling is {text}"
    return f"{text[0].upper()}{text[1:]}{'; ' if apart else ''}{apart}."


def _told(rows: Iterable[Row]) -> Counter[Verdict]:
    """Verdicts by number; a case that was not tried because its host was lost did not fail."""
    return Counter("missing" if row.lost else row.verdict for row in rows)


def _failure_sentence(rows: Sequence[Row]) -> str:
    reasons = Counter(_why(row) for row in rows)
    words = [f"{reason} {wording.count(number)}" for reason, number in reasons.most_common(3)]
    none = "The only case has no" if len(rows) == 1 else f"None of {len(rows):,} cases has"
    return f"{none} times to compare: {', '.join(words)}."


def _found(counts: Mapping[Verdict, int], words: Mapping[Verdict, str]) -> list[str]:
    return [
        text.format(wording.count(counts[verdict]))
        for verdict, text in words.items()
        if counts.get(verdict)
    ]


def _setting(rows: Iterable[Row]) -> str:
    settings = {(row.case.mode, row.case.precision) for row in rows}
    if len(settings) != 1:
        return ""
    mode, precision = settings.pop()
    return f"with mode {mode} in {precision}, "


def _size_sentence(comparison: Comparison) -> str:
    ratios = [row.speed_up.value for row in comparison.rows if row.speed_up is not None]
    mean = geometric_mean(ratios)
    if mean is None or len(ratios) == 1:
        return ""
    text = f"The geometric mean of the speed-ups is {wording.speed_up(mean)}"
    inferences = comparison.median_break_even
    if inferences is None:
        return f"{text}."
    return f"{text}; where it is faster, compiling {_pays_back(inferences, 'a median of ')}."


def _noise(hosts: Sequence[HostSummary]) -> str:
    """That hosts are noisy, a sentence for each of a few, and one for all of many."""
    noisy = [host for host in hosts if host.noise is not None and host.noise.doubt]
    if len(noisy) <= _NAMED_NOISY:
        return " ".join(conditions.noisy(host_name(host, hosts), host) for host in noisy)
    names = wording.first([host_name(host, hosts) for host in noisy], _NAMED_NOISY)
    limits = conditions.span([host.threshold for host in noisy])
    return f"{names} are noisy: only differences above {limits} count there."


def _pays_back(inferences: int, which: str = "") -> str:
    if inferences == 0:
        return "pays for itself at once"
    return f"pays for itself after {which}{wording.many(inferences, 'inference')}"


def _answer_of_one(row: Row, noise: str) -> Answer:
    start = {"faster": "Yes, for", "slower": "No, not for", "same": "No difference for"}
    opening = start.get(row.verdict, "Unclear for")
    headline, in_full = (
        f"{opening} {shorten(wording.one_line(row.label))} at batch {row.case.batch_size} on "
        f"{shorten(processor(row))}"
        for shorten in (wording.brief, str)
    )
    return _answer(headline, f"{describe(row)}. {noise}".strip(), in_full)


def _published_answer(rows: Sequence[Row]) -> Answer:
    ratios = [row.speed_up.value for row in rows if row.speed_up is not None]
    lower = sum(ratio > 1 for ratio in ratios)
    mean = geometric_mean(ratios)
    headline = (
        f"In 2023, published means were lower with torch.compile in {lower} of {len(ratios)} rows"
    )
    ooms = len(rows) - len(ratios)
    average = f" The geometric mean of the ratios is {wording.speed_up(mean)}." if mean else ""
    failed = f" {wording.many(ooms, 'further row')} ran out of memory." if ooms else ""
    return Answer(
        headline,
        "These are published means without spread: nobody can tell how sure they are, so this page "
        f"gives no verdict on them.{average}{failed}",
    )


def _why(row: Row) -> str:
    return wording.reason(row.problem.reason) if row.problem else ""

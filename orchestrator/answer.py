"""Puts a comparison into words, exactly as careful as its data (pure).

The unit is the case: one model in one mode, precision and batch size on one host. A host is judged
over the cases that could be compared; published means carry no spread and are never judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from harness.plan import Plan
from orchestrator import conditions, wording
from orchestrator.comparison import Comparison, HostSummary, Row, Verdict
from orchestrator.naming import host_name, processor, title
from orchestrator.statistics import geometric_mean

Kind: TypeAlias = Literal[
    "yes", "mixed", "no", "same", "unclear", "thin", "nothing", "missing", "published"
]

COMPARED: Final[tuple[Verdict, ...]] = ("faster", "slower", "same", "unclear")
# "Mixed" begins where more than one case in ten contradicts what most of them say.
_EXCEPTIONS: Final = 0.1
_MANY_HOSTS: Final = 4
_NAMED_NOISY: Final = 3

_ONE: Final = " in the one case compared"
# A kind holds its weakest claim; a phrase of its own is used where all its hosts share it.
_PHRASES: Final[dict[Kind, str]] = {
    "yes": "yes, in most cases",
    "mixed": "check your model",
    "no": "not",
    "same": "no difference",
    "unclear": "unclear",
    "thin": "too little was compared",
    "nothing": "nothing could be compared",
    "missing": "nothing was measured",
}
_SINGLE: Final[dict[Verdict, tuple[Kind, str, str]]] = {
    "faster": ("yes", "Worth it", "yes,"),
    "slower": ("no", "Not worth it", "not"),
    "same": ("same", "No difference", "no difference"),
    "unclear": ("unclear", "Unclear", "unclear"),
}
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
    """The answer of a whole run: a headline without a full stop, and one to three sentences."""

    headline: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the data of one host support: its kind, words for its card and for the headline."""

    kind: Kind
    words: str
    phrase: str


def answer(comparison: Comparison) -> Answer:
    """Answer "is torch.compile worth it?" for a run, or describe the published table."""
    if comparison.is_published:
        return _published_answer(comparison.rows)
    if not comparison.rows:
        return Answer("No answer: this run has no cases", "No host delivered a case to compare.")
    if len(comparison.rows) == 1 and _compared(comparison.counts):
        warnings = (_noise(comparison.hosts), _rehearsal(comparison.run.plan))
        return _answer_of_one(comparison.rows[0], " ".join(filter(None, warnings)))
    headline = _headline(comparison.hosts)
    if comparison.counts.get("missing") and _compared(comparison.counts):
        headline = f"so far, {headline}"
    headline = headline[0].upper() + headline[1:]
    sentences = (
        _counts_sentence(comparison),
        _size_sentence(comparison),
        _noise(comparison.hosts),
        _rehearsal(comparison.run.plan),
    )
    return Answer(headline, " ".join(filter(None, sentences)))


def _rehearsal(plan: Plan | None) -> str:
    """That numbers of shrunken models, or without generated code, answer nothing."""
    if plan is None or (plan.size == "full" and plan.backend == "inductor"):
        return ""
    return "It was a rehearsal and is no result: see the caveats."


def judge(host: HostSummary) -> Judgement:
    """Judge one host by its share of faster, slower, unchanged and unclear cases."""
    counts = host.counts
    compared = _compared(counts)
    if counts.get("published"):
        return Judgement("published", "Published means, no verdict", "")
    if compared == 0:
        return _judge_nothing(Counter() if host.never_started else counts)
    if counts.get("failed", 0) > compared:
        return _judgement("thin", "Too little was compared to say")
    if compared == 1:
        return _judge_one(next(verdict for verdict in COMPARED if counts.get(verdict)))
    return _judge_shares({verdict: counts.get(verdict, 0) / compared for verdict in COMPARED})


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


def _judgement(kind: Kind, words: str, phrase: str = "") -> Judgement:
    return Judgement(kind, words, phrase or _PHRASES[kind])


def _judge_one(verdict: Verdict) -> Judgement:
    kind, words, phrase = _SINGLE.get(verdict, _SINGLE["unclear"])
    return _judgement(kind, f"{words}{_ONE}", f"{phrase}{_ONE}")


def _judge_nothing(counts: Mapping[Verdict, int]) -> Judgement:
    if counts.get("failed"):
        return _judgement("nothing", "Nothing could be compared")
    return _judgement("missing", "Nothing was measured")


def _judge_shares(share: Mapping[Verdict, float]) -> Judgement:
    if share["faster"] == 1:
        return _judgement("yes", "Worth it in every case", "yes, in every case")
    if share["same"] == 1:
        return _judgement("same", "No difference in any case", "no difference in any case")
    if share["unclear"] > 0.5:
        return _judgement("unclear", "Unclear: the times scatter too much")
    if share["faster"] > 0.5 and share["slower"] <= _EXCEPTIONS:
        return _judgement("yes", "Worth it in most cases")
    if share["faster"] <= _EXCEPTIONS:
        return _judgement("no", "Not worth it")
    return _judgement("mixed", "Mixed: check your model")


def _headline(hosts: Sequence[HostSummary]) -> str:
    found: dict[Kind, list[tuple[str, str]]] = {}
    for host in hosts:
        judgement = judge(host)
        found.setdefault(judgement.kind, []).append((judgement.phrase, host_name(host, hosts)))
    phrases = {kind: {phrase for phrase, _ in found[kind]} for kind in _PHRASES if kind in found}
    parts = []
    for kind, said in phrases.items():
        phrase = said.pop() if len(said) == 1 else _PHRASES[kind]
        phrase = _ALONE.get(phrase, phrase) if len(found) == 1 else phrase
        parts.append(f"{phrase}{_where([name for _, name in found[kind]], len(hosts))}")
    return "; ".join(parts)


def _where(names: Sequence[str], all_hosts: int) -> str:
    if len(names) < _MANY_HOSTS:
        return f" on {wording.listed(names)}"
    return f" on all {all_hosts} hosts" if len(names) == all_hosts else f" on {len(names)} hosts"


def _counts_sentence(comparison: Comparison) -> str:
    counts = comparison.counts
    compared = _compared(counts)
    if compared == 0:
        return _failure_sentence(comparison.rows)
    apart = wording.listed(_found(counts, _APART))
    found = _found(counts, _OUTCOMES)
    cases = wording.many(compared, "compared case")
    if len(found) == 1:
        words = next(words for verdict, words in _OUTCOMES.items() if counts.get(verdict))
        text = f"{words.format('')}{f'all {cases}' if compared > 1 else 'the one compared case'}"
    else:
        text = f"{found[0]} of {cases}, {wording.listed(found[1:])}"
    text = f"{_setting(comparison.rows)}compiling is {text}"
    return f"{text[0].upper()}{text[1:]}{'; ' if apart else ''}{apart}."


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
    name = f"{wording.one_line(row.label)} at batch {row.case.batch_size}"
    opening = start.get(row.verdict, "Unclear for")
    return Answer(f"{opening} {name} on {processor(row)}", f"{describe(row)}. {noise}".strip())


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


def _compared(counts: Mapping[Verdict, int]) -> int:
    return sum(Counter(counts)[verdict] for verdict in COMPARED)


def _why(row: Row) -> str:
    return wording.reason(row.problem.reason) if row.problem else ""

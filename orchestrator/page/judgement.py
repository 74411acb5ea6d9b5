"""What the data of one host support, in words exactly as careful (pure).

A host is judged over the cases that could be compared; published means carry no spread and are
never judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from orchestrator.compare.comparison import HostSummary, Verdict

Kind: TypeAlias = Literal[
    "yes", "mixed", "no", "same", "unclear", "thin", "nothing", "missing", "published"
]

COMPARED: Final[tuple[Verdict, ...]] = ("faster", "slower", "same", "unclear")
# "Mixed" begins where more than one case in ten contradicts what most of them say.
_EXCEPTIONS: Final = 0.1
_ONE: Final = " in the one case compared"
# A kind holds its weakest claim; a phrase of its own is used where all its hosts share it.
PHRASES: Final[dict[Kind, str]] = {
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


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the data of one host support: its kind, words for its card and for the headline."""

    kind: Kind
    words: str
    phrase: str


def judge(host: HostSummary) -> Judgement:
    """Judge one host by its share of faster, slower, unchanged and unclear cases."""
    counts = host.counts
    number = compared(counts)
    if counts.get("published"):
        return Judgement("published", "Published means, no verdict", "")
    if number == 0:
        return _judge_nothing(Counter() if host.never_started else counts)
    if counts.get("failed", 0) > number:
        return _judgement("thin", "Too little was compared to say")
    if number == 1:
        return _judge_one(next(verdict for verdict in COMPARED if counts.get(verdict)))
    return _judge_shares({verdict: counts.get(verdict, 0) / number for verdict in COMPARED})


def compared(counts: Mapping[Verdict, int]) -> int:
    """How many cases have a verdict on what compiling did."""
    return sum(Counter(counts)[verdict] for verdict in COMPARED)


def _judgement(kind: Kind, words: str, phrase: str = "") -> Judgement:
    return Judgement(kind, words, phrase or PHRASES[kind])


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

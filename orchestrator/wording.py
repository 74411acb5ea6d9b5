"""Numbers and names as a reader sees them: on the page, in the terminal, in Markdown (pure).

Whatever a host sent is cleaned here before anybody sees it: control characters could steer a
terminal, and bidirectional overrides could show a text other than the one that is there.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from orchestrator import redaction
from orchestrator.statistics.statistics import BreakEven, Estimate

NOTHING: Final = "–"
MINUS: Final = "−"
_SPACE: Final = "\N{NO-BREAK SPACE}"

SYMBOLS: Final = {
    "faster": "▲",
    "slower": "▼",
    "same": "≈",
    "unclear": "?",
    "failed": "✕",
    "missing": "–",
    "published": "◆",
}

# Reason -> two words for it, and what it means.
_REASONS: Final = {
    "oom": ("OOM", "memory did not suffice"),
    "compile_error": ("compile error", "torch.compile raised an error"),
    "fell_back_to_eager": ("fell back", "the call worked, but no compiled code ran"),
    "recompiled": ("recompiled", "compiled code changed while it was being timed"),
    "disagreement": ("disagrees", "compiled output differs from eager output"),
    "degenerate_output": ("degenerate", "outputs are constant or not finite"),
    "unsupported": ("unsupported", "this device cannot do what the case asks for"),
    "timeout": ("timeout", "the case exceeded its time limit"),
    "crash": ("crash", "the process died"),
    "load_error": ("not loaded", "model, processor or picture could not be loaded"),
    "out_of_disk": ("disk full", "a write failed for lack of space"),
    "host_unavailable": ("host unavailable", "the machine could not be used, or was lost"),
    "error": ("error", "an error that has no name of its own"),
    "refused": ("refused", "a record came that could not be accepted"),
    "missing": ("missing", "not measured"),
}

_MARKS: Final = {
    "compile_error": "compile",
    "fell_back_to_eager": "eager",
    "recompiled": "recomp.",
    "disagreement": "differs",
    "degenerate_output": "degen.",
    "unsupported": "unsup.",
    "load_error": "load",
    "out_of_disk": "disk",
    "host_unavailable": "host",
}


def plain(text: str) -> str:
    """Drop control, format and surrogate characters; keep line breaks and tabs."""
    if text.replace(_SPACE, " ").isprintable():  # nearly all are, and this is quick
        return text
    kept = (character for character in text.replace("\r\n", "\n") if _harmless(character))
    return "".join(kept)


def redacted(text: str) -> str:
    """Plain text without access tokens, addresses and home directories: reports get published."""
    return _redacted(text, redaction.keeps_places())


@functools.lru_cache(maxsize=8192)  # most texts of a page recur in many rows
def _redacted(text: str, keeps_places: bool) -> str:
    return redaction.redact(plain(text), keeps_places)


def told_apart(names: Sequence[str]) -> list[str]:
    """The same names, numbered where redaction would make them equal: "ssh://… (2)"."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        public = redacted(name)
        seen[public] += 1
        found.append(name if seen[public] == 1 else f"{name} ({seen[public]})")
    return found


def one_line(text: str) -> str:
    """Plain text with every run of white space made one space."""
    return " ".join(plain(text).split())


def cut(text: str, characters: int) -> str:
    """A text that is not longer than this, with an ellipsis where something is left out."""
    return text if len(text) <= characters else f"{text[: characters - 1].rstrip()}…"


def brief(name: str, characters: int = 40) -> str:
    """A name that a headline can hold: the middle of a longer one is left out, because hosts
    often differ at the end. Redacted before: a part of a secret is not known as one any more."""
    name = redacted(name)
    if len(name) <= characters:
        return name
    end = characters // 3
    return f"{name[: characters - end - 1].rstrip()}…{name[-end:].lstrip()}"


def first(items: Sequence[str], number: int) -> str:
    """An enumeration that ends: "a, b and 7 more"."""
    left = len(items) - number
    return listed(items) if left < 2 else listed([*items[:number], f"{count(left)} more"])


def significant(value: float, digits: int = 3) -> str:
    """Three significant digits at most, never in powers of ten: 0.123, 4.56, 123, 1,234."""
    if value == 0:
        return "0"
    text = f"{value:#.{digits}g}"
    if "e" not in text:  # nearly all, in half the time
        return text.rstrip(".").replace("-", MINUS)
    rounded = f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - int(rounded.partition("e")[2]))
    number = float(rounded) if decimals else value  # 1,234 keeps all of its digits
    return f"{number:,.{decimals}f}".replace("-", MINUS)


def milliseconds(value_s: float) -> str:
    """Seconds as milliseconds: 4.56 ms."""
    return f"{significant(value_s * 1000)}{_SPACE}ms"


def seconds(value_s: float) -> str:
    """Seconds as seconds: 34.2 s."""
    return f"{significant(value_s)}{_SPACE}s"


def joules(energy_j: float) -> str:
    """Joules with three significant digits: 1.23 J."""
    return f"{significant(energy_j)}{_SPACE}J"


def p_value(p: float | None) -> str:
    """A probability to two digits, never as a small power: 0.034, < 0.001."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def percent(share: float, *, signed: bool = True) -> str:
    """A share as percent with a real minus sign; one decimal below ten: +4.3 %, −17 %."""
    points = share * 100
    text = f"{abs(points):.1f}" if abs(points) < 9.95 else f"{abs(points):,.0f}"
    sign = "" if float(text.replace(",", "")) == 0 else MINUS if points < 0 else "+"
    return f"{sign if signed or sign == MINUS else ''}{text}{_SPACE}%"


def speed_up(ratio: float) -> str:
    """A ratio: 1.32×; three digits where two decimals would not do: 12.3×, 0.0123×."""
    return f"{ratio:.2f}×" if 0.095 <= ratio < 9.995 else f"{significant(ratio)}×"


def interval(estimate: Estimate, write: Callable[[float], str]) -> str:
    """The 95 % interval without its estimate: "1.30× to 1.34×", "9.9 to 10.1 ms".

    Empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    low, high = write(estimate.low), write(estimate.high)
    number, space, unit = low.partition(_SPACE)
    return f"{number} to {high}" if space and high.endswith(space + unit) else f"{low} to {high}"


def dollars(value: float) -> str:
    """US dollars and cents, below ten cents three significant digits: 1.23 USD, 0.0123 USD."""
    return f"{_amount(value)}{_SPACE}USD"


def costs(eager: float, compiled: float) -> str:
    """USD per million images, eager and compiled."""
    return f"{_amount(eager)} → {dollars(compiled)} per million images"


def data_size(size_bytes: int) -> str:
    """Bytes in the largest binary unit that leaves at least one: 1.23 GiB."""
    value, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{significant(value)}{_SPACE}{unit}"


def count(number: int) -> str:
    """A whole number with thousands separators: 1,234."""
    return f"{number:,}"


def many(number: int, noun: str) -> str:
    """A count with its noun: "1 case", "1,234 cases"."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def listed(items: Sequence[str]) -> str:
    """An enumeration: "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def break_even(value: BreakEven | None) -> str:
    """Inferences until compiling has paid for itself: never, at once, or a count."""
    if value is None:
        return NOTHING
    if value.inferences is None:
        return "never"
    return count(value.inferences) if value.inferences else "at once"


def break_even_interval(value: BreakEven | None) -> str:
    """The interval of a break-even: "1,200 to 1,900", "1,200 or more"; empty where there is none
    or where it says nothing but never."""
    low, high = (value.interval if value is not None else None) or (None, None)
    if low is None:
        return ""
    return f"{count(low)} or more" if high is None else f"{count(low)} to {count(high)}"


@functools.lru_cache(maxsize=1024)
def device(name: str) -> str:
    """A processor's name as people say it: "A100-SXM4-40GB", "Xeon Platinum 8488C"."""
    short = re.sub(r"\((?:R|TM)\)|\bCPU\b.*|^(?:NVIDIA|Intel|Tesla)\b", "", one_line(name))
    return " ".join(re.sub(r"^\W*(?:Intel|Tesla)\b", "", short).split()) or one_line(name)


def reason(name: str) -> str:
    """Why a case has no times, short enough for a cell: "OOM"."""
    return _REASONS[name][0] if name in _REASONS else one_line(name).replace("_", " ")


def mark(name: str) -> str:
    """A reason in at most eight letters, for the cell of a map."""
    return _MARKS.get(name) or reason(name)[:8]


def meaning(name: str) -> str:
    """What a reason means, as half a sentence."""
    return _REASONS[name][1] if name in _REASONS else "a reason that this version does not know"


def _amount(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.0995 else significant(value)


def _harmless(character: str) -> bool:
    return character in "\n\t" or unicodedata.category(character) not in {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    }

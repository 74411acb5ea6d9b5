"""One line of a diagnosis, and what the lines of a host come to (pure)."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

from orchestrator import wording

State: TypeAlias = Literal["good", "bad", "unknown"]

# Text in fewer columns than this is worse than lines that the terminal breaks.
_NARROWEST: Final = 20
SYMBOLS: Final = {"good": "✓", "bad": "✗", "unknown": "–"}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and the command that mends it.

    With `optional` a host can measure all the same. Unknown is neither right nor wrong.
    """

    subject: str
    state: State
    found: str
    mend: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """All lines of one host."""

    host: str
    address: str
    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        """Whether it can measure, as far as is known."""
        return not any(check.state == "bad" and not check.optional for check in self.checks)


def exit_code(hosts: Iterable[Examined]) -> int:
    """0: all hosts are usable; 1: some are; 3: none is."""
    verdicts = [host.usable for host in hosts]
    return 0 if all(verdicts) else 1 if any(verdicts) else 3


def paragraph(host: Examined, columns: int | None = None) -> str:
    """A host, with each check in as many lines as it needs. A command stands on a line of its own,
    unbroken, to be copied.

    Args:
        columns: of the terminal; None where there is none, and lines need no breaking.
    """
    width = max((len(check.subject) for check in host.checks), default=0)
    indent = f"    {'':<{width}}  "
    lines = [f"{host.host} ({host.address})" if host.address else host.host]
    for check in host.checks:
        first = f"  {SYMBOLS[check.state]} {check.subject:<{width}}  "
        lines.append(_broken(first, indent, wording.one_line(check.found), columns))
        if check.mend:
            lines.append(indent + wording.plain(check.mend))
    return "\n".join([*lines, ""])


def _broken(first: str, indent: str, text: str, columns: int | None) -> str:
    if columns is None or columns < len(indent) + _NARROWEST:
        return first + text
    return textwrap.fill(
        text,
        columns,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def verdict(hosts: Sequence[Examined]) -> str:
    """How many of them can measure, and which."""
    good = [host.host for host in hosts if host.usable]
    if len(hosts) == 1:
        return f"{hosts[0].host} can{'' if good else 'not'} measure."
    named = f": {wording.listed(good)}" if good else ""
    return f"{len(good)} of {len(hosts)} hosts can measure{named}."


def to_json(hosts: Sequence[Examined]) -> str:
    """The same for programs."""
    content = [
        {
            "host": host.host,
            "address": host.address,
            "usable": host.usable,
            "checks": [asdict(check) for check in host.checks],
        }
        for host in hosts
    ]
    return json.dumps({"hosts": content}, indent=2, ensure_ascii=False)

"""What a user can get wrong, or run into: one sentence, one piece of advice, one exit code each.

DeskError
├── UsageError             2   an option, a name or a file that cannot be used
│   ├── UnknownNameError       with what exists and the nearest match
│   └── RunError               a run folder that is missing or cannot be read or written
│       └── UnwrittenError     a page or another file that finds no room
├── HostError              1   one host cannot be used, or was lost; the others go on
│   └── StillThereError        an earlier harness of the run is there already
├── StorageError           1   a measurement could not be kept
└── NoHostError            3   no host can measure
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loading the vocabulary loads pydantic, and --help needs neither
    from harness.contract.vocabulary import Reason


class HangUp(KeyboardInterrupt):
    """The terminal is gone: as good as Ctrl-C, but what can run without it is to go on."""


class DeskError(Exception):
    """Something to tell the user. `advice` says what to do about it."""

    exit_code = 1

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.advice = advice

    @property
    def in_one_line(self) -> str:
        """The sentence and, where there is some, the advice."""
        return f"{self.sentence}. {self.advice}" if self.advice else self.sentence


class UsageError(DeskError):
    """The command cannot be carried out as it was given."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that means nothing here."""

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        names = list(known)
        folded = {known.casefold(): known for known in reversed(names)}
        near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
        guess = f" Did you mean {folded[near[0]]}?" if near else ""
        listed = f"There is: {', '.join(names)}." if names else "There is none."
        super().__init__(f'unknown {kind} "{name}".{guess}', f"{listed} {advice}".strip())


class RunError(UsageError):
    """A run folder that cannot be found, read or written."""


class UnwrittenError(RunError):
    """A file could not be written, for lack of space or of permission; the old one is there."""


class StorageError(DeskError):
    """A measurement could not be kept, for lack of space or of permission."""


class HostError(DeskError):
    """One host cannot be used, or was lost. `reason` is that of the case it was busy with."""

    def __init__(
        self, sentence: str, advice: str = "", reason: Reason = "host_unavailable"
    ) -> None:
        super().__init__(sentence, advice)
        self.reason: Reason = reason


class StillThereError(HostError):
    """The container of an earlier attempt of this run is still on the host, so none was started:
    what it measures is not lost. `attempt` is the name of that attempt's records."""

    def __init__(self, sentence: str, advice: str, attempt: str) -> None:
        super().__init__(sentence, advice)
        self.attempt = attempt


class NoHostError(DeskError):
    """No host is able to measure."""

    exit_code = 3

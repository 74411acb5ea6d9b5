"""What makes numbers a rehearsal and no result: the only place that decides it (pure).

Models may have been shrunk, a backend may generate no code, and a GPU may be a fake one, which
tests put in the place of a real one: none of its kernels computes anything, and all take a made-up
time. Such numbers may be computed, shown and compared with their like, and always say what they
are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from harness.contract import recipes

# How a fake GPU calls itself: "Fake A100-SXM4-40GB".
_FAKE: Final = "fake "
# How a headline, a table and a chart begin.
LABEL: Final = "A rehearsal, no result"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is a rehearsal: in a few words, and as a sentence of its own."""

    words: str
    sentence: str


def is_fake(device: str) -> bool:
    """Whether a device, by its name, only poses as a GPU."""
    return device.strip().casefold().startswith(_FAKE)


def causes(size: str | None, backend: str | None, devices: Iterable[str]) -> tuple[Cause, ...]:
    """Why numbers are a rehearsal; nothing where they are a result.

    Args:
        size, backend: of the plan; None where it is not known, as of early runs.
        devices: the names of all processors that measured.
    """
    found = []
    if size == "tiny":
        found.append(Cause("shrunken models", "Shrunken models: a rehearsal, not a result."))
    if backend is not None and recipes.is_rehearsal(backend):
        sentence = f"Backend {backend} generates no code: a rehearsal, not a result."
        found.append(Cause(f"backend {backend}", sentence))
    if any(map(is_fake, devices)):
        sentence = "A fake GPU computes nothing and makes up its times: a rehearsal, not a result."
        found.append(Cause("a fake GPU", sentence))
    return tuple(found)


def in_words(found: Iterable[Cause]) -> str:
    """All causes in one line; empty where there is none."""
    return ", ".join(cause.words for cause in found)

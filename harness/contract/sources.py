"""Where models come from, and by what a name tells: rules that either half can load.

To add a source is to add a line here and its loader to `harness.models.sources`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.contract import catalogue


@dataclass(frozen=True, slots=True)
class Source:
    """One place that models come from.

    `recognises` tells whether a name is one of its own, `written` how a plan writes it, for the
    processes that read it elsewhere. `is_of_one_machine`: no other machine can
    load what it names. `has_random_weights`: its models can be built without their weights.
    """

    name: str
    recognises: Callable[[str], bool]
    written: Callable[[str], str] = str
    is_of_one_machine: bool = False
    has_random_weights: bool = False


def is_folder(name: str) -> bool:
    """Whether a name is that of a folder here; no name is too strange to ask."""
    try:
        return name != "" and Path(name).is_dir()
    except (OSError, ValueError):  # too long to be one, or not a path at all
        return False


def _whole_path(name: str) -> str:
    return str(Path(name).resolve())


# The first that recognises a name has it.
SOURCES: Final = (
    Source("catalogue", lambda name: catalogue.find(name) is not None, has_random_weights=True),
    Source("folder", is_folder, written=_whole_path, is_of_one_machine=True),
    Source("hub", catalogue.is_hub_id),
)


def of(name: str) -> Source | None:
    """The source of a model; None for a name that is nowhere."""
    return next((source for source in SOURCES if source.recognises(name)), None)

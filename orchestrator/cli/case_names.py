"""The ids of cases and of attempts at them, as a terminal shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from harness.contract import recipes
from orchestrator import wording
from orchestrator.compare.comparison import label_of

# What an id holds behind its batch size tells attempts at a case apart.
_BEHIND_USUAL: Final = re.compile("/(?=(?:inputs|process|build)=)")
_BATCH: Final = re.compile(r"b\d+")
_MODES: Final = {recipe.name: recipe.mode for recipe in recipes.RECIPES}


def short_name(case_id: str) -> str:
    """A case as a row can hold it: the default precision goes without saying."""
    model, *rest = parts(case_id)
    return wording.one_line(" ".join([label_of(model), *_shown(rest)]))


def brief_name(case_id: str) -> str:
    """A case with what tells it from its neighbours first: the rest may be cut."""
    model, *rest = parts(case_id)
    shown = sorted(_shown(rest), key=lambda part: not _BATCH.fullmatch(part))
    return wording.one_line(" ".join([label_of(model), *shown]))


def parts(case_id: str) -> list[str]:
    """Model, recipe, precision and batch size, of which only the first may hold slashes, and what
    tells attempts apart; fewer of an id that is none."""
    usual, *more = _BEHIND_USUAL.split(case_id)
    return [*usual.rsplit("/", 3), *more]


def _shown(parts: Sequence[str]) -> list[str]:
    """The parts of an id behind the model, as a user knows them."""
    return [_MODES.get(part, part) for part in parts if part != "float32"]

"""What is wrong with a text that is no plan or no record, in one line: where, and what."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

_MAX_CHARACTERS: Final = 300


def complaint(error: ValueError) -> str:
    """The first thing that is wrong, and how many more there are."""
    if not isinstance(error, ValidationError):
        return _one_line(str(error))
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    place = ".".join(str(part) for part in errors[0]["loc"])
    what = errors[0]["msg"].removeprefix("Value error, ")
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return _one_line(f"{place}: {what}{more}" if place else f"{what}{more}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MAX_CHARACTERS]

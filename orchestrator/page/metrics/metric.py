"""What a figure of a case is, and what most figures are read and written with (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from orchestrator import wording
from orchestrator.compare.comparison import Row
from orchestrator.wording import NOTHING

_T = TypeVar("_T")
Scalar: TypeAlias = str | int | float | bool | None
Reader: TypeAlias = Callable[[Row], Scalar]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the table: the value, and below it its interval or a note."""

    text: str
    small: str = ""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """How the table shows a figure.

    `key` names the exported column that the table sorts by. Unless it is `without_times`, the field
    of a case that has no times stays empty, and `write` is not asked.
    """

    title: str
    key: str
    write: Callable[[Row], Field]
    hint: str = ""
    without_times: bool = False


@dataclass(frozen=True, slots=True)
class DialogLine:
    """How the dialog of a case tells a figure: in words of its own; a dash where it has none."""

    title: str
    write: Callable[[Row], str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a case, written once: the columns that it has in CSV and JSON, how the table
    shows it, and how the dialog tells it; it may have each or not.

    Names of columns carry their units: `_s` seconds, `_bytes`, `_images_per_s`; a name is never
    given a new meaning.
    """

    columns: Mapping[str, Reader] = field(default_factory=dict)
    table: TableColumn | None = None
    dialog: DialogLine | None = None


UNKNOWN: Final = Field(NOTHING)


def of_measurement(*path: str) -> Reader:
    """Reads an attribute of a row's measurement, by the names on the way to it."""

    def read(row: Row) -> Scalar:
        found: object = row.measurement
        for name in path:
            found = None if found is None else getattr(found, name)
        assert found is None or isinstance(found, str | int | float)
        return found

    return read


def pair(eager: _T | None, compiled: _T | None, write: Callable[[_T], str]) -> str:
    """Both variants in words, or one word where they are the same; a dash where one is unknown."""
    if eager is None or compiled is None:
        return NOTHING
    before, after = write(eager), write(compiled)
    return before if before == after else f"{before} → {after}"


def change(before: float, after: float, unit: str) -> str:
    """From the one to the other, however alike they are."""
    return f"{wording.significant(before)} → {wording.significant(after)} {unit}"

"""What a reader of the page can choose between: modes, precisions and filters (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from harness.contract.recipes import MODES
from harness.contract.vocabulary import PRECISIONS
from orchestrator.compare.comparison import Comparison, Row
from orchestrator.page.naming import host_name

# Title, exported column, and per option an id, a value and words; an empty value means all.
Switch: TypeAlias = tuple[str, str, list[tuple[str, str, str]]]
# Title, exported column, and per option a value and words.
Filter: TypeAlias = tuple[str, str, list[tuple[str, str]]]


def switches(rows: Sequence[Row]) -> tuple[Switch, ...]:
    """The switches that work without a script, for what has more than one value."""
    modes: set[str] = {row.case.mode for row in rows}
    precisions: set[str] = {row.case.precision for row in rows}
    found = (
        _switch("Mode", "mode", MODES, modes),
        _switch("Precision", "precision", PRECISIONS, precisions),
    )
    return tuple(switch for switch in found if len(switch[2]) > 2)


def rules(found: Iterable[Switch]) -> str:
    """The style sheet's part of switches: each position hides what belongs to another one."""
    selectors = [
        f':root:has(#{option}:checked) [data-{key[0]}]:not([data-{key[0]}="{_place(option)}"])'
        for _, key, options in found
        for option, value, _ in options
        if value
    ]
    return f"{','.join(selectors)} {{ display: none; }}\n" if selectors else ""


def filters(comparison: Comparison) -> tuple[Filter, ...]:
    """The filters that a script applies, for what has more than one value."""
    names = {host.host: host_name(host, comparison.hosts) for host in comparison.hosts}
    rows = comparison.rows
    found: tuple[Filter, ...] = (
        ("GPU", "host", _options((row.host, names.get(row.host, row.host)) for row in rows)),
        ("Model", "model", _options((row.case.model, row.label) for row in rows)),
        ("Batch", "batch_size", _options(_twice(str(size)) for size in _batch_sizes(rows))),
        ("Verdict", "verdict", _options(_twice(row.verdict) for row in rows)),
    )
    return tuple(each for each in found if len(each[2]) > 1)


def _switch(title: str, key: str, known: Sequence[str], used: set[str]) -> Switch:
    places = [(place, value) for place, value in enumerate(known) if value in used]
    options = [(f"{key}-{place}", value, value) for place, value in places]
    return title, key, [*options, (f"{key}-all", "", "all")]


def _place(option: str) -> str:
    return option.rpartition("-")[2]


def _options(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict(pairs).items())


def _twice(value: str) -> tuple[str, str]:
    return value, value


def _batch_sizes(rows: Iterable[Row]) -> list[int]:
    return sorted({row.case.batch_size for row in rows})

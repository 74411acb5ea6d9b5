"""In what the environments of one host differ (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.contract.records import Environment
from orchestrator import wording

_SHOWN = 60


def distinct(environments: Sequence[Environment]) -> list[Environment]:
    """Those that differ in more than which card it was."""
    return list(dict.fromkeys(map(_of_any_card, environments)))


def differing(environments: Sequence[Environment]) -> tuple[str, ...]:
    """The fields that differ, each with its values, as in "driver (580.95, 535.183)"."""
    fields = [dict(_fields(each)) for each in distinct(environments)]
    found = []
    for name in fields[0] if fields else ():
        values = list(dict.fromkeys(wording.one_line(each[name]) for each in fields))
        if len(values) > 1:
            shown = [wording.cut(value, _SHOWN) for value in values]
            found.append(f"{name} ({wording.listed(shown)})")
    return tuple(found)


def _of_any_card(environment: Environment) -> Environment:
    device = environment.device.model_copy(update={"uuid": None})
    return environment.model_copy(update={"device": device})


def _fields(environment: Environment) -> Iterator[tuple[str, str]]:
    for name, value in environment.device:
        yield ("GPU" if name == "name" else f"GPU {name}").replace("_", " "), str(value)
    for name, value in environment:
        if name != "device":
            yield name.replace("_", " "), str(value)

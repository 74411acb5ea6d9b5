"""The names given to --hosts, and hosts.toml -> machines.

A name means, in this order: a table of the inventory; whatever the first kind of hosts that knows
it says. Which kinds there are is for the caller to say: they are known further up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from orchestrator import wording
from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.inventory import tables
from orchestrator.inventory.machines import LOCAL, NAME, AbsentError, Machine, Settings
from orchestrator.inventory.tables import SHOWN

DEFAULT_FILE: Final = Path("hosts.toml")

Kinds: TypeAlias = Sequence[Settings[Any]]
"""The kinds of hosts. A table without a mark is read as one of the first that has tables."""


def resolve(names: Sequence[str], kinds: Kinds, file: Path | None = None) -> tuple[Machine, ...]:
    """Find the machines that the names given to --hosts mean.

    Args:
        file: the inventory; by default hosts.toml, if there is one here.

    Raises: UnknownNameError with what exists; UsageError.
    """
    if not names:
        raise UsageError("--hosts names no host", "To measure this machine: --hosts local")
    known = read(kinds, file, names)
    machines = [_find(name, known, kinds) for name in names]
    seen: set[str] = set()
    for machine in machines:
        if machine.name.casefold() in seen:
            raise UsageError(f'host "{machine.name}" is given twice', "Name every host once.")
        seen.add(machine.name.casefold())
    for kind in kinds:
        kind.require_apart([each for each in machines if isinstance(each, kind.machine)])
    return tuple(machines)


def _find(name: str, known: Mapping[str, Machine], kinds: Kinds) -> Machine:
    if name in known:
        return known[name]
    for kind in kinds:
        machine: Machine | None = kind.of_name(name)
        if machine is not None:
            return machine
    names = (one for kind in kinds for one in kind.names())
    advice = [
        "Others by address (ssh://user@machine), or by a table in hosts.toml "
        "(hosts.example.toml shows how).",
        # The name may be that of a host whose description nobody can read.
        *(f"Besides, {sentence}." for kind in kinds for sentence in kind.damaged()),
    ]
    everything = dict.fromkeys((LOCAL, *known, *names))
    raise UnknownNameError("host", name, everything, "\n".join(advice))


def remembered(name: str, settings: Mapping[str, object], kinds: Kinds) -> Machine:
    """A machine as run.json keeps it. Raises: UsageError."""
    claimed = _claiming(settings, kinds)
    kind = claimed[0] if claimed else _first(kinds)
    machine: Machine = kind.of_run(name, settings)
    return machine


def read(
    kinds: Kinds, file: Path | None = None, wanted: Collection[str] | None = None
) -> dict[str, Machine]:
    """The machines of an inventory. Raises: UsageError: what is wrong, and where.

    Args:
        wanted: names of those that are needed, by default all. Others are left out where their
            Docker context is not there: the file may be shared with other desks.
    """
    path = file or DEFAULT_FILE
    if file is None and not path.exists():
        return {}
    content = tables.load(path)
    for key in content:
        if key != "hosts":
            raise UnknownNameError(f"key in {path}", key[:SHOWN], ["hosts"], "Write [hosts.NAME].")
    hosts = content.get("hosts", {})
    if not isinstance(hosts, dict):
        raise UsageError(f"{path}: hosts is no table", "Write [hosts.NAME].")
    machines = {}
    for name, table in hosts.items():
        try:
            machines[name] = _machine(f"{path}, [hosts.{name[:SHOWN]}]", name, table, kinds)
        except AbsentError:
            if wanted is None or name in wanted:
                raise
    return machines


def _machine(where: str, name: str, table: object, kinds: Kinds) -> Machine:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is no table", f"Write [hosts.{name}] on a line of its own.")
    if name == LOCAL or not NAME.fullmatch(name):
        raise UsageError(
            f'{where}: "{name[:SHOWN]}" cannot be the name of a host',
            "Use up to 40 letters, digits, dots and dashes, and not the name local.",
        )
    machine: Machine = _kind_of(where, table, kinds).of_table(where, name, table)
    return machine


def _kind_of(where: str, table: Mapping[str, object], kinds: Kinds) -> Settings[Any]:
    """Which kind of host a table is about. Raises: UsageError: none, or several, or it has a key
    that no such host has."""
    marks = [mark for kind in kinds for mark in kind.marks]
    claimed = _claiming(table, kinds)
    if len(claimed) > 1:
        raise UsageError(
            f"{where} is {' and '.join(kind.what for kind in reversed(claimed))} at once",
            f"Keep one of {wording.listed(marks)}; give the other a table of its own.",
        )
    kind = claimed[0] if claimed else _first(kinds)
    known = dict.fromkeys((*kind.keys, *(marks if kind is _first(kinds) else ())))
    for key in table:
        if key not in known:
            raise UnknownNameError(f"key in {where}", key[:SHOWN], known)
    if sum(mark in table for mark in marks) != 1:
        raise UsageError(
            f"{where}: one of {wording.listed(marks)} is needed",
            'As in  docker = "ssh://ubuntu@203.0.113.10"  or  context = "a100-box"',
        )
    return kind


def _claiming(fields: Mapping[str, object], kinds: Kinds) -> list[Settings[Any]]:
    return [kind for kind in kinds if not fields.keys().isdisjoint(kind.marks)]


def _first(kinds: Kinds) -> Settings[Any]:
    return next(kind for kind in kinds if kind.marks)

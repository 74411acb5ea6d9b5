"""The names given to --hosts, and hosts.toml -> machines.

A name means, in this order: `local`; a table of the inventory; a Docker context; an alias of the
SSH configuration; an address.
"""

from __future__ import annotations

import json
import math
import re
import stat
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.inventory import addresses, contexts, pools, ssh_config
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.pools import Pool

LOCAL: Final = "local"
DEFAULT_FILE: Final = Path("hosts.toml")
NO_GPU: Final = "none"
FIRST_GPU: Final = ("0",)
# What to do about two names of one engine that would measure the same GPU.
ONE_GPU_EACH: Final = "Name it once, or give each name a GPU of its own in hosts.toml."
KEYS: Final = ("docker", "context", "gpu", "price_per_hour")
# Host names are part of file names, of container names and of labels.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_LOGIN: Final = re.compile(r"[\w.-]+@[\w.:\[\]-]+")
_MAX_CHARACTERS: Final = 1_000_000
_SHOWN: Final = 60
_MOST_GPUS: Final = 64
_GPU: Final = re.compile(r"\d{1,3}|(GPU|MIG)-[A-Za-z0-9/-]+")


@dataclass(frozen=True, slots=True)
class Machine:
    """One host: one with an engine at `address`, or a `pool`, or else this machine, measured
    without Docker.

    `gpus` are indices or UUIDs that share the host's cases; none means the CPU.
    """

    name: str
    address: Address | None = None
    gpus: tuple[str, ...] = FIRST_GPU
    price_per_hour: float | None = None
    pool: Pool | None = None

    @property
    def is_local(self) -> bool:
        return self.address is None and self.pool is None

    def settings(self) -> dict[str, object]:
        """As kept in run.json, which holds no secret."""
        if self.pool is not None:
            return {**self.pool.settings(), "price_per_hour": self.price_per_hour}
        return {
            "docker": str(self.address),
            "certificates": self.address.certificates if self.address else "",
            "gpu": list(self.gpus),
            "price_per_hour": self.price_per_hour,
        }

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, object]) -> Self:
        """Raises: UsageError."""
        gpu, price = settings.get("gpu", []), settings.get("price_per_hour")
        price = price if isinstance(price, int | float) else None
        if "ray" in settings:
            return cls(name, None, (), price, Pool.from_settings(settings))
        return cls(
            name,
            addresses.parse(str(settings.get("docker")), str(settings.get("certificates") or "")),
            tuple(map(str, gpu)) if isinstance(gpu, list) else (),
            price,
        )


def resolve(names: Sequence[str], file: Path | None = None) -> tuple[Machine, ...]:
    """Find the machines that the names given to --hosts mean.

    Args:
        file: the inventory; by default hosts.toml, if there is one here.

    Raises: UnknownNameError with what exists; UsageError.
    """
    if not names:
        raise UsageError("--hosts names no host", "To measure this machine: --hosts local")
    tables = read(file, names)
    machines = [_find(name, tables) for name in names]
    seen: set[str] = set()
    for machine in machines:
        if machine.name.casefold() in seen:
            raise UsageError(f'host "{machine.name}" is given twice', "Name every host once.")
        seen.add(machine.name.casefold())
    _refuse_shared(machines)
    return tuple(machines)


def _refuse_shared(machines: Sequence[Machine]) -> None:
    """Two names of one GPU would measure each other. Raises: UsageError.

    One engine may still hide behind two addresses; that is found when harnesses are started.
    """
    taken: dict[tuple[object, str], str] = {}
    for machine in machines:
        if machine.address is None:
            continue
        for gpu in machine.gpus or (NO_GPU,):
            other = taken.setdefault((machine.address.place, gpu), machine.name)
            if other != machine.name:
                what = "CPU" if gpu == NO_GPU else f"GPU {gpu}"
                raise UsageError(
                    f'hosts "{other}" and "{machine.name}" are both the {what} of '
                    f"{machine.address}",
                    "Name one of them, or give each a GPU of its own in hosts.toml.",
                )


def _find(name: str, tables: Mapping[str, Machine]) -> Machine:
    if name == LOCAL:
        return Machine(LOCAL)
    if name in tables:
        return tables[name]
    if addresses.is_url(name):
        address = addresses.parse(name)
        return Machine(addresses.short_name(address), address)
    known = contexts.read()
    if name in known and _NAME.fullmatch(name):
        return Machine(name, _of_context(known[name]))
    if _NAME.fullmatch(name) and ssh_config.knows(name):
        return Machine(name, Address("ssh", name))
    if _LOGIN.fullmatch(name):
        raise UsageError(
            f'host "{name}" is a login, and an address begins with how to get there',
            f"Write it as  ssh://{name}  , or give it a name in hosts.toml (hosts.example.toml "
            "shows how).",
        )
    everything = dict.fromkeys((LOCAL, *tables, *known, *ssh_config.aliases()))
    advice = (
        "Others by address (ssh://user@machine), or by a table in hosts.toml "
        "(hosts.example.toml shows how)."
    )
    raise UnknownNameError("host", name, everything, "\n".join([advice, *_unreadable()]))


def _unreadable() -> list[str]:
    """The name may be that of a context which nobody can read."""
    return [f"Besides, {sentence}." for sentence in contexts.damaged()]


class _NoContextError(UnknownNameError):
    """A table names a Docker context that is not there."""


def read(file: Path | None = None, wanted: Collection[str] | None = None) -> dict[str, Machine]:
    """The machines of an inventory. Raises: UsageError: what is wrong, and where.

    Args:
        wanted: names of those that are needed, by default all. Others are left out where their
            Docker context is not there: the file may be shared with other desks.
    """
    path = file or DEFAULT_FILE
    if file is None and not path.exists():
        return {}
    try:
        content = tomllib.loads(_text(path))
    except OSError as error:
        raise UsageError(
            f"cannot read the inventory {path}: {error.strerror}", "Name it with --inventory."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the inventory {path} is not UTF-8 text", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"the inventory {path} cannot be read as TOML: {error}",
            'TOML writes true and false in small letters, text in quotes ("…"), and has no None: '
            "leave such a line out.",
        ) from error
    except RecursionError as error:
        raise UsageError(f"the inventory {path} is nested too deeply") from error
    except ValueError as error:  # more than 4,300 digits, which Python refuses before TOML does
        raise UsageError(f"the inventory {path} holds a number that is none of its kind") from error
    return _tables(path, content, wanted)


def _text(path: Path) -> str:
    """What a regular file holds; a pipe would be waited for, for ever. Some editors put a mark of
    byte order first. Raises: UsageError; OSError; UnicodeDecodeError."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder says so when it is read
        raise UsageError(f"the inventory {path} is no file", "Name one with --inventory.")
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(_MAX_CHARACTERS + 1)
    if len(text) > _MAX_CHARACTERS:
        raise UsageError(f"the inventory {path} is larger than {_MAX_CHARACTERS:,} characters")
    return text


def _tables(
    path: Path, content: Mapping[str, object], wanted: Collection[str] | None
) -> dict[str, Machine]:
    for key in content:
        if key != "hosts":
            raise UnknownNameError(f"key in {path}", key[:_SHOWN], ["hosts"], "Write [hosts.NAME].")
    hosts = content.get("hosts", {})
    if not isinstance(hosts, dict):
        raise UsageError(f"{path}: hosts is no table", "Write [hosts.NAME].")
    machines = {}
    for name, table in hosts.items():
        try:
            machines[name] = _machine(f"{path}, [hosts.{name[:_SHOWN]}]", name, table)
        except _NoContextError:
            if wanted is None or name in wanted:
                raise
    return machines


def _machine(where: str, name: str, table: object) -> Machine:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is no table", f"Write [hosts.{name}] on a line of its own.")
    if name == LOCAL or not _NAME.fullmatch(name):
        raise UsageError(
            f'{where}: "{name[:_SHOWN]}" cannot be the name of a host',
            "Use up to 40 letters, digits, dots and dashes, and not the name local.",
        )
    if "ray" in table and not {"docker", "context"}.isdisjoint(table):
        raise UsageError(
            f"{where} is a cluster and an engine at once",
            "Keep one of docker, context and ray; give the other a table of its own.",
        )
    known = pools.KEYS if "ray" in table else (*KEYS, "ray")
    for key in table:
        if key not in known:
            raise UnknownNameError(f"key in {where}", key[:_SHOWN], known)
    if "ray" in table:
        return Machine(name, None, (), _price(where, table), Pool.of_table(where, table))
    return Machine(name, _address(where, table), _gpus(where, table), _price(where, table))


def _address(where: str, table: Mapping[str, object]) -> Address:
    docker, context = table.get("docker"), table.get("context")
    if (docker is None) == (context is None):
        raise UsageError(
            f"{where}: one of docker, context and ray is needed",
            'As in  docker = "ssh://ubuntu@203.0.113.10"  or  context = "a100-box"',
        )
    if context is None:
        if not isinstance(docker, str) or not addresses.is_url(docker):
            raise UsageError(f"{where}: docker is no address", f"Write {addresses.EXAMPLES}.")
        return addresses.parse(docker)
    known = contexts.read()
    if not isinstance(context, str) or context not in known:
        raise _NoContextError(
            f"Docker context in {where}", str(context)[:_SHOWN], known, "\n".join(_unreadable())
        )
    return _of_context(known[context])


def _of_context(context: contexts.Context) -> Address:
    return addresses.parse(context.url, context.certificates)


def _gpus(where: str, table: Mapping[str, object]) -> tuple[str, ...]:
    value = table.get("gpu", 0)
    if value == NO_GPU:
        return ()
    listed = value if isinstance(value, list) else [value]
    gpus = tuple(str(gpu) for gpu in listed if not isinstance(gpu, bool))
    if not gpus or len(gpus) != len(listed) or not all(map(_GPU.fullmatch, gpus)):
        raise UsageError(
            f"{where}: gpu = {_as_written(value)} names no GPU",
            'Write an index (gpu = 0), a UUID (gpu = "GPU-…"), a list of them, or gpu = "none".',
        )
    if len(gpus) > _MOST_GPUS:
        raise UsageError(
            f"{where}: gpu names {len(gpus)} GPUs, and no machine has more than {_MOST_GPUS}"
        )
    if len(set(gpus)) != len(gpus):
        raise UsageError(f"{where}: gpu names one GPU twice", "Name each once.")
    return gpus


def _as_written(value: object) -> str:
    """A value as TOML has it, cut where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    text = text.replace("NaN", "nan").replace("Infinity", "inf")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _price(where: str, table: Mapping[str, object]) -> float | None:
    value = table.get("price_per_hour")
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(float(str(value))) or float(str(value)) < 0:
        raise UsageError(
            f"{where}: price_per_hour = {_as_written(value)} is no price",
            "Write US dollars, as in 3.67.",
        )
    return float(str(value))

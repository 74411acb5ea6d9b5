"""Hosts with a Docker engine: by address, by Docker context, or by an alias of the SSH
configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.errors import UsageError
from orchestrator.inventory import addresses, contexts, ssh_config, tables
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.machines import NAME, NO_GPU, AbsentError, Settings

FIRST_GPU: Final = ("0",)
_LOGIN: Final = re.compile(r"[\w.-]+@[\w.:\[\]-]+")
_MOST_GPUS: Final = 64
_GPU: Final = re.compile(r"\d{1,3}|(GPU|MIG)-[A-Za-z0-9/-]+")


@dataclass(frozen=True, slots=True)
class EngineMachine:
    """A machine whose engine listens at `address`.

    `gpus` are indices or UUIDs that share the host's cases; none means the CPU.
    """

    name: str
    address: Address
    gpus: tuple[str, ...] = FIRST_GPU
    price_per_hour: float | None = None

    @property
    def where(self) -> str:
        return str(self.address)

    def settings(self) -> dict[str, object]:
        return {
            "docker": str(self.address),
            "certificates": self.address.certificates,
            "gpu": list(self.gpus),
            "price_per_hour": self.price_per_hour,
        }


class EngineSettings(Settings[EngineMachine]):
    """A name means, in this order: an address; a Docker context; an alias of SSH."""

    machine = EngineMachine
    what = "an engine"
    marks = ("docker", "context")
    keys = (*marks, "gpu", "price_per_hour")

    def of_name(self, name: str) -> EngineMachine | None:
        if addresses.is_url(name):
            address = addresses.parse(name)
            return EngineMachine(addresses.short_name(address), address)
        known = contexts.read()
        if name in known and NAME.fullmatch(name):
            return EngineMachine(name, _of_context(known[name]))
        if NAME.fullmatch(name) and ssh_config.knows(name):
            return EngineMachine(name, Address("ssh", name))
        if _LOGIN.fullmatch(name):
            raise UsageError(
                f'host "{name}" is a login, and an address begins with how to get there',
                f"Write it as  ssh://{name}  , or give it a name in hosts.toml (hosts.example.toml "
                "shows how).",
            )
        return None

    def of_table(self, where: str, name: str, table: Mapping[str, object]) -> EngineMachine:
        return EngineMachine(
            name, _address(where, table), _gpus(where, table), tables.price(where, table)
        )

    def of_run(self, name: str, settings: Mapping[str, object]) -> EngineMachine:
        gpu, certificates = settings.get("gpu", []), settings.get("certificates")
        return EngineMachine(
            name,
            addresses.parse(str(settings.get("docker")), str(certificates or "")),
            tuple(map(str, gpu)) if isinstance(gpu, list) else (),
            tables.kept_price(settings),
        )

    def require_apart(self, machines: Sequence[EngineMachine]) -> None:
        """One engine may still hide behind two addresses; that is found when harnesses are
        started."""
        taken: dict[tuple[object, str], str] = {}
        for machine in machines:
            for gpu in machine.gpus or (NO_GPU,):
                other = taken.setdefault((machine.address.place, gpu), machine.name)
                if other != machine.name:
                    what = "CPU" if gpu == NO_GPU else f"GPU {gpu}"
                    raise UsageError(
                        f'hosts "{other}" and "{machine.name}" are both the {what} of '
                        f"{machine.address}",
                        "Name one of them, or give each a GPU of its own in hosts.toml.",
                    )

    def names(self) -> Iterable[str]:
        return (*contexts.read(), *ssh_config.aliases())

    def damaged(self) -> Sequence[str]:
        return contexts.damaged()


def _address(where: str, table: Mapping[str, object]) -> Address:
    if "context" not in table:
        docker = table.get("docker")
        if not isinstance(docker, str) or not addresses.is_url(docker):
            raise UsageError(f"{where}: docker is no address", f"Write {addresses.EXAMPLES}.")
        return addresses.parse(docker)
    context, known = table["context"], contexts.read()
    if not isinstance(context, str) or context not in known:
        # The name may be that of a context which nobody can read.
        advice = "\n".join(f"Besides, {sentence}." for sentence in contexts.damaged())
        shown = str(context)[: tables.SHOWN]
        raise AbsentError(f"Docker context in {where}", shown, known, advice)
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
            f"{where}: gpu = {tables.as_written(value)} names no GPU",
            'Write an index (gpu = 0), a UUID (gpu = "GPU-…"), a list of them, or gpu = "none".',
        )
    if len(gpus) > _MOST_GPUS:
        raise UsageError(
            f"{where}: gpu names {len(gpus)} GPUs, and no machine has more than {_MOST_GPUS}"
        )
    if len(set(gpus)) != len(gpus):
        raise UsageError(f"{where}: gpu names one GPU twice", "Name each once.")
    return gpus

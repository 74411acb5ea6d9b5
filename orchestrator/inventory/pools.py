"""Hosts that are pools: nodes of one kind on a Ray cluster (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from orchestrator.errors import UsageError
from orchestrator.inventory import tables
from orchestrator.inventory.machines import NO_GPU, Settings

KEYS: Final = (
    "ray", "accelerator", "resource", "workers", "token_env", "gpu", "controls", "price_per_hour",
)  # fmt: skip
MOST_WORKERS: Final = 1000
_LOOPBACK: Final = re.compile(r"localhost|::1|127(\.\d{1,3}){3}")
# A value of a Kubernetes label, which Ray's own labels are like; Ray's resources have a colon, too.
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_RESOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class Pool:
    """Which nodes of which cluster, and how many cases may be under way on them at once.

    `address` is the cluster's dashboard; `accelerator` the value of its nodes' label
    `ray.io/accelerator-type`, `resource` a custom resource that they have; either may be empty.
    `token_env` names a variable of this desk, so that the token itself is kept nowhere.
    `gpus` is what each case takes: one, or none to measure the CPU. With `controls` a case is
    measured on several workers, to see whether they agree.
    """

    address: str
    accelerator: str = ""
    resource: str = ""
    workers: int = 1
    token_env: str = ""
    gpus: int = 1
    controls: bool = True

    @property
    def kind(self) -> str:
        """What its nodes are called."""
        return self.accelerator or self.resource or ("GPU" if self.gpus else "CPU")

    @property
    def controlled(self) -> int:
        """How many workers measure a case once more, to see whether they agree; 1: none does."""
        return self.workers if self.controls else 1

    @property
    def is_exposed(self) -> bool:
        """Whether everybody on the way can read along."""
        parts = urlsplit(self.address)
        return parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname or "")

    def settings(self) -> dict[str, object]:
        """As kept in run.json, which holds no secret."""
        return {
            "ray": self.address,
            "accelerator": self.accelerator,
            "resource": self.resource,
            "workers": self.workers,
            "token_env": self.token_env,
            "gpu": 1 if self.gpus else NO_GPU,
            "controls": self.controls,
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """Raises: UsageError."""
        given = {key: value for key, value in settings.items() if value not in ("", None)}
        return cls.of_table("run.json", {key: given[key] for key in KEYS if key in given})

    @classmethod
    def of_table(cls, where: str, table: Mapping[str, object]) -> Self:
        """Read a table of the inventory that has the key ray. Raises: UsageError."""
        workers = table.get("workers", 1)
        if (
            not isinstance(workers, int)
            or isinstance(workers, bool)
            or not 1 <= workers <= MOST_WORKERS
        ):
            raise UsageError(
                f"{where}: workers is no number of nodes",
                f"Write how many cases may run at once, 1 to {MOST_WORKERS}: workers = 4",
            )
        gpu = table.get("gpu", 1)
        if gpu not in (1, NO_GPU) or isinstance(gpu, bool):
            raise UsageError(
                f"{where}: a pool gives each case one GPU of its own choice",
                'Leave gpu out, or write gpu = "none" to measure the CPU of its nodes.',
            )
        controls = table.get("controls", True)
        if not isinstance(controls, bool):
            raise UsageError(
                f"{where}: controls is neither true nor false",
                "Write controls = false to measure no case on several workers.",
            )
        pool = cls(
            _address(where, table["ray"]),
            _word(where, table, "accelerator", _LABEL, "A100"),
            _word(where, table, "resource", _RESOURCE, "accelerator_type:A100"),
            workers,
            _word(where, table, "token_env", _VARIABLE, "RAY_AUTH_TOKEN"),
            0 if gpu == NO_GPU else 1,
            controls,
        )
        if not (pool.accelerator or pool.resource):
            raise UsageError(
                f"{where}: a pool needs accelerator or resource, so that its GPUs are of one kind",
                'As in  accelerator = "A100"  ; docs/clusters.md says how nodes get the label.',
            )
        return pool


@dataclass(frozen=True, slots=True)
class PoolMachine:
    """A host that is a pool."""

    name: str
    pool: Pool
    price_per_hour: float | None = None

    @property
    def where(self) -> str:
        return self.pool.address

    def settings(self) -> dict[str, object]:
        return {**self.pool.settings(), "price_per_hour": self.price_per_hour}


class PoolSettings(Settings[PoolMachine]):
    """A pool has a table, and no other name."""

    machine = PoolMachine
    what = "a cluster"
    marks = ("ray",)
    keys = KEYS

    def of_table(self, where: str, name: str, table: Mapping[str, object]) -> PoolMachine:
        price = tables.price(where, table)
        return PoolMachine(name, Pool.of_table(where, table), price)

    def of_run(self, name: str, settings: Mapping[str, object]) -> PoolMachine:
        return PoolMachine(name, Pool.from_settings(settings), tables.kept_price(settings))


def _address(where: str, value: object) -> str:
    """A dashboard's address, without what could hold a secret. Raises: UsageError."""
    example = 'Write the address of its dashboard:  ray = "http://127.0.0.1:8265"'
    try:
        parts = urlsplit(str(value))
        right = parts.scheme in ("http", "https") and bool(parts.hostname)
        # urlsplit itself takes line breaks out, so that the address is another than the one seen.
        right = right and parts.port != 0 and not re.search(r"[\s\x00-\x1f\x7f]", str(value))
    except ValueError:
        right = False
    if not isinstance(value, str) or not right or parts.query or parts.fragment:
        raise UsageError(f"{where}: ray is no address of a cluster", example)
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"{where}: the address holds a user or a password, which others would get to see",
            'Name the variable that holds the token instead:  token_env = "RAY_AUTH_TOKEN"',
        )
    return value.rstrip("/")


def _word(
    where: str, table: Mapping[str, object], key: str, pattern: re.Pattern[str], example: str
) -> str:
    value = table.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UsageError(f"{where}: {key} is no name", f'Write, for example:  {key} = "{example}"')
    return value

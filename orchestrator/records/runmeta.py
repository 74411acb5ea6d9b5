"""What run.json says of a run besides its plan (pure)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from harness.contract.plan import MAX_CASES, Plan, number_of_cases
from orchestrator.errors import RunError
from orchestrator.records.outcomes import Trouble

# Each is a table of its own on the page.
MOST_HOSTS: Final = 1000
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class RunMeta:
    """What is known of a run besides its plan.

    `machines` is how each host is reached, without secrets, for attach and clean; a run of this
    machine alone has none. `interrupted` names record files that the user stopped, so that a case
    open at their end is missing and not a crash; `troubles` those that the desk saw break off.
    `prices_per_hour` are in USD by host name; a host without a price is not in it.
    """

    run_id: str
    created: str
    command: str
    hosts: tuple[str, ...]
    interrupted: tuple[str, ...] = ()
    machines: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    prices_per_hour: Mapping[str, float] = field(default_factory=dict)

    def without_ending(self, name: str) -> RunMeta:
        """The same, with nothing said about how an attempt ended."""
        return replace(
            self,
            interrupted=tuple(one for one in self.interrupted if one != name),
            troubles={one: of for one, of in self.troubles.items() if one != name},
        )


def read(text: str) -> RunMeta:
    """Read run.json, of an older version, too.

    Raises: ValueError, KeyError, TypeError, AttributeError, RecursionError for whatever else it is.
    """
    fields = json.loads(text)
    return RunMeta(
        run_id=str(fields["run_id"]),
        created=str(fields["created"]),
        command=str(fields["command"]),
        hosts=_names(fields["hosts"]),
        interrupted=tuple(str(name) for name in fields["interrupted"]),
        prices_per_hour=_prices(fields.get("prices_per_hour", {})),
        machines={name: dict(of) for name, of in fields.get("machines", {}).items()},
        troubles={name: Trouble(**of) for name, of in fields.get("troubles", {}).items()},
    )


def write(meta: RunMeta) -> str:
    """The text of run.json."""
    return json.dumps(asdict(meta), indent=2) + "\n"


def require_bounded(hosts: Sequence[str], plan: Plan) -> None:
    """Raises: RunError: more cases, on all hosts together, than a page could hold."""
    cases = number_of_cases(hosts, plan.models, plan.recipes, plan.precisions, plan.batch_sizes)
    if cases > MAX_CASES:
        raise RunError(
            f"{cases:,} cases on {len(hosts):,} hosts; at most {MAX_CASES:,} are possible",
            "Measure fewer models, modes, precisions or batch sizes in one run.",
        )


def _names(fields: Sequence[object]) -> tuple[str, ...]:
    """The names of hosts, which become parts of file names. Raises: ValueError."""
    names = tuple(map(str, fields))
    for name in names:
        if not _HOST.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a host")
    if len(names) > MOST_HOSTS or len(set(names)) < len(names):
        raise ValueError(f"it names a host twice, or more than {MOST_HOSTS}")
    return names


def _prices(fields: Mapping[str, object]) -> dict[str, float]:
    """USD per hour by host. Raises: ValueError: not a price."""
    prices = {str(host): float(str(price)) for host, price in fields.items()}
    for host, price in prices.items():
        if not (math.isfinite(price) and price > 0):
            raise ValueError(f"the price per hour of {host} is {price}, and must be above 0")
    return prices

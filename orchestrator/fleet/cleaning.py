"""Removing what runs left on their hosts, without losing a record."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from orchestrator.errors import UsageError
from orchestrator.fleet import asking
from orchestrator.hosts import container
from orchestrator.hosts.engine import Container
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.leftovers import Cleaned, WhyKeep, Wish, is_over
from orchestrator.inventory.machines import Machine
from orchestrator.records.rundir import RunFolder

# Removing a large image takes a while; an engine that needs longer than this hangs.
LIMIT_S: Final = 300.0


def clean(
    machines: Sequence[Machine], wish: Wish, output: Path, limit_s: float = LIMIT_S
) -> Iterator[Cleaned]:
    """Clean every host where something may be left, all at once. Yields: each when it is done."""
    why_keep = _reading(output)

    def cleaned(machine: Machine) -> Cleaned:
        return registry.of(machine).clean(machine, wish, why_keep)

    for machine, done in asking.ask_all(littered(machines), cleaned, limit_s):
        yield done or _unanswered(machine, limit_s)


def littered(machines: Sequence[Machine]) -> list[Machine]:
    """Those on which runs may leave something."""
    return [machine for machine in machines if registry.of(machine).goes_on_alone]


def _unanswered(machine: Machine, limit_s: float) -> Cleaned:
    sentence = f'host "{machine.name}" ({machine.where}) has not answered within {limit_s:.0f} s'
    return Cleaned(machine.name, failed=f"{sentence}. Look at it with the command doctor.")


def _reading(output: Path) -> WhyKeep:
    """Why a container must not go yet: its records are not all in the run folder here."""

    def why_keep(one: Container) -> str:
        run_id = one.labels[container.RUN]
        if one.status == "created":
            return ""
        try:
            folder = RunFolder.find(output, run_id)
            attempts = folder.attempts(one.labels[container.HOST])
        except UsageError as error:  # gone from here, or damaged
            names = f"{shlex.quote(run_id)} --hosts {shlex.quote(one.labels[container.HOST])}"
            return (
                f"belongs to a run that cannot be read here ({error.sentence.rstrip('.')}). Say "
                "where it lies with --output, or remove what nobody may have fetched:  "
                f"python orchestrate.py clean {names} --force"
            )
        attempt = attempts.get(one.labels[container.ATTEMPT])
        if attempt is not None and is_over(attempt):
            return ""
        does = "is still measuring" if one.status == "running" else "has records to fetch"
        return (
            f"{does}. Follow it:  python orchestrate.py attach {folder.pasted}  , or remove it all "
            f"the same:  python orchestrate.py clean {folder.pasted} --force"
        )

    return why_keep

"""Removing what runs left on their hosts, without losing a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from orchestrator.attaching import is_over
from orchestrator.errors import RunError
from orchestrator.hosts import advice, contained, container
from orchestrator.hosts.engine import Container, Engine, EngineError
from orchestrator.inventory import Machine
from orchestrator.rundir import RunFolder

IsRead: TypeAlias = Callable[[Container], bool]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to remove. `run_id` none: of every run of this user. `force`: unread records as well."""

    run_id: str | None = None
    force: bool = False
    images: bool = False
    volumes: bool = False


@dataclass(slots=True)
class Cleaned:
    """What was done on one host, a sentence each. `failed`: it could not be looked at."""

    host: str
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: str = ""


def clean(machines: Sequence[Machine], wish: Wish, output: Path) -> list[Cleaned]:
    """Clean every host, all at once."""
    distant = [machine for machine in machines if machine.address is not None]
    if not distant:
        return []
    with ThreadPoolExecutor(len(distant)) as pool:
        return list(pool.map(lambda one: _clean(one, wish, _reading(output)), distant))


def _clean(machine: Machine, wish: Wish, is_read: IsRead) -> Cleaned:
    assert machine.address is not None
    done = Cleaned(machine.name)
    engine = contained.engine_of(machine)
    try:
        engine.connect()
        _remove_containers(engine, wish, is_read, done)
        if wish.images or wish.volumes:
            volume = container.HUB_VOLUME if wish.volumes else None
            label = f"{container.SCHEMA}"
            done.removed += engine.remove_leftovers(label, images=wish.images, volume=volume)
    except EngineError as error:
        told = advice.explain(machine.name, machine.address, error)
        done.failed = f"{told.sentence}. {told.advice}".rstrip()
    finally:
        engine.close()
    return done


def _remove_containers(engine: Engine, wish: Wish, is_read: IsRead, done: Cleaned) -> None:
    labels = {container.OWNER: contained.owner(), container.RUN: wish.run_id or ""}
    for one in engine.containers(labels):
        run_id = one.labels[container.RUN]
        if wish.force or is_read(one):
            engine.remove(one.id)
            done.removed.append(f"container {one.name}")
        else:
            does = "is still measuring" if one.status == "running" else "has records to fetch"
            done.kept.append(f"{one.name} {does} (attach {run_id}, or clean --force)")


def _reading(output: Path) -> IsRead:
    """Whether a container's records are all in the run folder here."""

    def is_read(one: Container) -> bool:
        try:
            folder = RunFolder.find(output, one.labels[container.RUN])
            attempts = folder.attempts(one.labels[container.HOST])
        except RunError:
            return False
        attempt = attempts.get(one.labels[container.ATTEMPT])
        return one.status == "created" or (attempt is not None and is_over(attempt))

    return is_read

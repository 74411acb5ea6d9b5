"""Removing what runs left on their hosts, without losing a record."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from orchestrator.errors import UsageError
from orchestrator.fleet import asking
from orchestrator.fleet.attaching import is_over
from orchestrator.hosts import advice, cluster_advice, contained, container, pooled
from orchestrator.hosts.engine import Container, Engine, EngineError
from orchestrator.hosts.jobs import Jobs, JobsError, JobState
from orchestrator.inventory.inventory import Machine
from orchestrator.inventory.pools import Pool
from orchestrator.records.rundir import RunFolder

# Removing a large image takes a while; an engine that needs longer than this hangs.
LIMIT_S: Final = 300.0

WhyKeep: TypeAlias = Callable[[Container], str]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to remove. `run_id` none: of every run of this user. `force`: unread records as well."""

    run_id: str | None = None
    force: bool = False
    images: bool = False
    volumes: bool = False


@dataclass(slots=True)
class Cleaned:
    """What was done on one host, a phrase each. `failed`: it could not be looked at."""

    host: str
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: str = ""


def clean(
    machines: Sequence[Machine], wish: Wish, output: Path, limit_s: float = LIMIT_S
) -> Iterator[Cleaned]:
    """Clean every host that is not this machine, all at once. Yields: each when it is done."""
    distant = [machine for machine in machines if not machine.is_local]
    why_keep = _reading(output)
    for machine, done in asking.ask_all(distant, lambda one: _clean(one, wish, why_keep), limit_s):
        yield done or _unanswered(machine, limit_s)


def _unanswered(machine: Machine, limit_s: float) -> Cleaned:
    where = machine.pool.address if machine.pool is not None else machine.address
    sentence = f'host "{machine.name}" ({where}) has not answered within {limit_s:.0f} s'
    return Cleaned(machine.name, failed=f"{sentence}. Look at it with the command doctor.")


def _clean(machine: Machine, wish: Wish, why_keep: WhyKeep) -> Cleaned:
    if machine.pool is not None:
        return _clean_pool(machine, machine.pool, wish, why_keep)
    assert machine.address is not None
    done = Cleaned(machine.name)
    engine = contained.engine_of(machine)
    try:
        engine.connect()
        _remove_containers(engine, wish, why_keep, done)
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


def _clean_pool(machine: Machine, pool: Pool, wish: Wish, why_keep: WhyKeep) -> Cleaned:
    """Let a cluster forget this user's jobs, whose logs go with them."""
    done = Cleaned(machine.name)
    try:
        with contextlib.closing(pooled.connect(pool)) as jobs:
            for job in jobs.jobs():
                if _is_wanted(job, machine.name, wish):
                    why = "" if wish.force else why_keep(_as_container(job))
                    _remove_job(jobs, job, why, done)
    except JobsError as error:
        told = cluster_advice.explain(machine.name, error, pool.address)
        done.failed = f"{told.sentence}. {told.advice}".rstrip()
    return done


def _is_wanted(job: JobState, host: str, wish: Wish) -> bool:
    told = job.metadata
    ours = told.get(container.OWNER) == contained.owner() and told.get(container.HOST) == host
    return ours and wish.run_id in (None, told.get(container.RUN))


def _remove_job(jobs: Jobs, job: JobState, why: str, done: Cleaned) -> None:
    if why:
        done.kept.append(f"kept job {job.id}, which {why}")
        return
    if not job.ended:
        jobs.stop(job.id)
        done.removed.append(f"job {job.id}: told to stop; clean again to have it forgotten")
        return
    jobs.delete(job.id)
    done.removed.append(f"job {job.id}")


def _as_container(job: JobState) -> Container:
    """A job bears the labels of a container, and must be kept for the same reasons."""
    status = "exited" if job.ended else "running"
    return Container(job.id, job.id, dict(job.metadata), status)


def _remove_containers(engine: Engine, wish: Wish, why_keep: WhyKeep, done: Cleaned) -> None:
    labels = {container.OWNER: contained.owner(), container.RUN: wish.run_id or ""}
    for one in engine.containers(labels):
        why = "" if wish.force else why_keep(one)
        if why:
            done.kept.append(f"kept container {one.name}, which {why}")
        else:
            engine.remove(one.id)
            done.removed.append(f"container {one.name}")


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

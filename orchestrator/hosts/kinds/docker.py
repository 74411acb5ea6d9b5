"""Machines with a Docker engine: a container for each of their GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.hosts import Host, Session, advice, contained, container
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.engine import Engine, EngineError
from orchestrator.hosts.kinds.engine_doctor import EngineDoctor
from orchestrator.hosts.kinds.kind import Checkup, Examine, HostKind, Job, Parallelism
from orchestrator.hosts.kinds.leftovers import Attached, Cleaned, Left, WhyKeep, Wish
from orchestrator.inventory.engines import EngineMachine, EngineSettings
from orchestrator.records.attempt_file import AttemptFile


class DockerKind(HostKind[EngineMachine]):
    """Its containers go on by themselves, and keep all that their harness said."""

    settings = EngineSettings()

    def look(self, machine: EngineMachine) -> str:
        return advice.look(machine.address)

    def parallelism(self, machine: EngineMachine) -> Parallelism:
        return Parallelism(len(machine.gpus))

    def open(self, machines: Sequence[EngineMachine], job: Job) -> Sequence[Host]:
        return contained.hosts_for(machines, job.source, job.terms, beside_local=job.beside_here)

    def doctor(self, checkup: Checkup) -> Examine[EngineMachine]:
        return EngineDoctor.of(checkup).examine

    def attach(self, machine: EngineMachine, left: Left, terms: Terms) -> Attached:
        def find(attempt: AttemptFile) -> Session | None:
            return contained.find(machine, attempt, terms)

        return Attached(dict.fromkeys(left.unfinished(), find))

    def clean(self, machine: EngineMachine, wish: Wish, why_keep: WhyKeep) -> Cleaned:
        done = Cleaned(machine.name)
        engine = contained.engine_of(machine)
        try:
            engine.connect()
            _remove_containers(engine, wish, why_keep, done)
            if wish.images or wish.volumes:
                volume = container.HUB_VOLUME if wish.volumes else None
                label = container.SCHEMA
                done.removed += engine.remove_leftovers(label, images=wish.images, volume=volume)
        except EngineError as error:
            told = advice.explain(machine.name, machine.address, error)
            done.failed = f"{told.sentence}. {told.advice}".rstrip()
        finally:
            engine.close()
        return done


def _remove_containers(engine: Engine, wish: Wish, why_keep: WhyKeep, done: Cleaned) -> None:
    labels = {container.OWNER: contained.owner(), container.RUN: wish.run_id or ""}
    for one in engine.containers(labels):
        why = "" if wish.force else why_keep(one)
        if why:
            done.kept.append(f"kept container {one.name}, which {why}")
        else:
            engine.remove(one.id)
            done.removed.append(f"container {one.name}")

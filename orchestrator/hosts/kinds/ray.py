"""Pools of a Ray cluster: a job for each case, and the queue of cases here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from harness.contract.plan import Plan
from orchestrator.diagnosis.checks import Examined
from orchestrator.hosts import Host, Say, cluster_advice, contained, container, pooled
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.engine import Container
from orchestrator.hosts.jobs import Jobs, JobsError, JobState
from orchestrator.hosts.kinds import pool_doctor
from orchestrator.hosts.kinds.kind import Checkup, Examine, HostKind, Job, Parallelism
from orchestrator.hosts.kinds.leftovers import Attached, Cleaned, Left, WhyKeep, Wish
from orchestrator.inventory.pools import PoolMachine, PoolSettings
from orchestrator.records.journal import JobNote


class RayKind(HostKind[PoolMachine]):
    """Jobs under way go on by themselves; what waits for them is measured from here."""

    settings = PoolSettings()

    def parallelism(self, machine: PoolMachine) -> Parallelism:
        pool = machine.pool
        return Parallelism(pool.gpus * pool.workers, pool.controlled)

    def open(self, machines: Sequence[PoolMachine], job: Job) -> Sequence[Host]:
        return [pooled.host_of(machine, job.terms) for machine in machines]

    def doctor(self, _checkup: Checkup) -> Examine[PoolMachine]:
        def examine(machine: PoolMachine, _say: Say) -> Examined:
            return pool_doctor.examine(machine)

        return examine

    def attach(self, machine: PoolMachine, left: Left, terms: Terms) -> Attached:
        rest = _still_to_do(left.rest, left.folder.jobs(machine.name))
        return Attached(pools={} if rest is None else {pooled.host_of(machine, terms): rest})

    def clean(self, machine: PoolMachine, wish: Wish, why_keep: WhyKeep) -> Cleaned:
        """Let a cluster forget this user's jobs, whose logs go with them."""
        done = Cleaned(machine.name)
        try:
            with contextlib.closing(pooled.connect(machine.pool)) as jobs:
                for job in jobs.jobs():
                    if _is_wanted(job, machine.name, wish):
                        why = "" if wish.force else why_keep(_as_container(job))
                        _remove_job(jobs, job, why, done)
        except JobsError as error:
            told = cluster_advice.explain(machine.name, error, machine.where)
            done.failed = f"{told.sentence}. {told.advice}".rstrip()
        return done


def _still_to_do(rest: Plan, jobs: Mapping[str, JobNote]) -> Plan | None:
    """The cases of a pool that are under way, or that nobody has begun; None where there are
    none, and no control is under way. What failed is for --resume to measure again."""
    controls = (note for note in jobs.values() if note.control)
    return rest if rest.attempts() or any(not note.end for note in controls) else None


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

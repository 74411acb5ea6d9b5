"""Taking up a run whose terminal is gone: its harnesses went on, and their containers kept all they
said. Of a pool the jobs under way went on; what waited for them is measured from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from harness.contract.plan import Plan
from orchestrator import planning
from orchestrator.errors import HostError, NoHostError
from orchestrator.fleet import fleet
from orchestrator.fleet.fleet import Observer
from orchestrator.fleet.work import Opening
from orchestrator.hosts import STARTING, Say, Session, contained, pooled
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.pooled import PooledHost
from orchestrator.inventory.inventory import Machine
from orchestrator.records.journal import JobNote
from orchestrator.records.outcomes import Attempt, fold
from orchestrator.records.rundir import AttemptFile, RunFolder


def attach(
    folder: RunFolder,
    machines: Sequence[Machine],
    observer: Observer,
    terms: Terms,
    *,
    detach: bool = False,
) -> None:
    """Follow what is left of a run on its hosts, to its end.

    Nobody else may be at it: the caller holds the folder. The records of each host are read once.

    Raises: InterruptedRunError; StorageError; RunError: it is damaged.
    """
    plan = folder.plan()
    openings: list[tuple[str, Opening, AttemptFile]] = []
    pools: dict[PooledHost, Plan] = {}
    with ExitStack() as stack:
        for machine in machines:
            left = _left(folder, machine, plan)
            if left.of_pool is not None:
                pools |= _usable(pooled.host_of(machine, terms), left.of_pool, observer)
            elif not left.unfinished:
                _tell_of_the_end(left, observer)
            for name in left.unfinished:
                attempt = stack.enter_context(folder.reopened(name, left.attempts[name]))
                _catch_up(machine.name, left.attempts[name], observer)
                openings.append((machine.name, _opening(folder, machine, attempt, terms), attempt))
        if openings or pools:
            fleet.follow(openings, pools, folder, observer, detach=detach)


@dataclass(frozen=True, slots=True)
class _Left:
    """What a run has of a host, and what is left there: attempts that may be under way or have
    records to fetch, and the cases of a pool. `incomplete` says why cases are missing for good."""

    host: str
    attempts: Mapping[str, Attempt]
    unfinished: tuple[str, ...]
    of_pool: Plan | None
    incomplete: str


def _left(folder: RunFolder, machine: Machine, plan: Plan) -> _Left:
    attempts = folder.attempts(machine.name)
    outcome = fold(machine.name, attempts.values(), plan.plan_id)
    complete = not planning.for_resume(plan, outcome).attempts()
    told = outcome.measurements.keys() | outcome.failures.keys()
    unfinished: list[str] = []
    if machine.address is not None and not (complete and outcome.ending == "finished"):
        unfinished = [name for name, attempt in attempts.items() if not is_over(attempt)]
    rest = plan.model_copy(update={"skip": tuple(sorted(told))})
    return _Left(
        machine.name,
        attempts,
        tuple(unfinished),
        None if machine.pool is None else _of_pool(rest, folder.jobs(machine.name)),
        "" if complete else _why_incomplete(folder, machine, attempts),
    )


def _of_pool(rest: Plan, jobs: Mapping[str, JobNote]) -> Plan | None:
    """The cases of a pool that are under way, or that nobody has begun; None where there are
    none, and no control is under way. What failed is for --resume to measure again."""
    controls = (note for note in jobs.values() if note.control)
    return rest if rest.attempts() or any(not note.end for note in controls) else None


def _usable(pool: PooledHost, rest: Plan, observer: Observer) -> dict[PooledHost, Plan]:
    """A pool with what is left for it; nothing, and a sentence, where it cannot measure that."""
    try:
        pool.check(rest)
    except NoHostError as error:
        pool.close()
        observer.ended(pool.name, error.in_one_line)
        return {}
    return {pool: rest}


def _tell_of_the_end(left: _Left, observer: Observer) -> None:
    """What became of a host that has nothing under way any more."""
    for known in left.attempts.values():
        _catch_up(left.host, known, observer)
    observer.doing(left.host, "nothing is under way here any more")
    observer.ended(left.host, left.incomplete)


def _why_incomplete(folder: RunFolder, machine: Machine, attempts: Mapping[str, Attempt]) -> str:
    """Why cases are missing for good, as far as this run knows."""
    troubles = [attempt.trouble.message for attempt in attempts.values() if attempt.trouble]
    resume = f"python orchestrate.py --resume {folder.pasted}"
    if troubles and "--resume" in troubles[-1]:
        return troubles[-1]
    if troubles:
        return f"{troubles[-1].rstrip('.')}. To try there again:  {resume}"
    alone = "what measures without Docker ends with its terminal"
    why = alone if machine.is_local else "its harness has ended"
    return f"{why}. Measure the rest:  {resume}"


def is_over(attempt: Attempt) -> bool:
    """Whether everything that this harness will ever say is on disk; one that broke off before
    there was a container says nothing."""
    trouble = attempt.trouble
    if attempt.job is not None and attempt.job.end:
        return True
    if trouble is not None and trouble.preparing not in ("", STARTING):
        return True
    ended = trouble is not None and trouble.reason != "host_unavailable"
    return ended or any(record.kind == "finished" for record in attempt.records)


def _catch_up(host: str, known: Attempt, observer: Observer) -> None:
    for record in known.records:
        observer.saw(host, record)


def _opening(folder: RunFolder, machine: Machine, attempt: AttemptFile, terms: Terms) -> Opening:
    def take_up(say: Say) -> Session:
        say("connecting")
        session = contained.find(machine, attempt, terms)
        if session is None:
            raise HostError(
                f'host "{machine.name}": its harness is no longer there',
                f"Measure the rest:  python orchestrate.py --resume {folder.pasted}",
            )
        folder.mark_followed(attempt.name)
        return session

    return take_up

"""Taking up a run whose terminal is gone: its harnesses went on, and their containers kept all they
said. Of a pool the jobs under way went on; what waited for them is measured from here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from harness.contract.plan import Plan
from orchestrator import planning
from orchestrator.errors import HostError, NoHostError
from orchestrator.fleet import fleet
from orchestrator.fleet.fleet import Observer
from orchestrator.fleet.work import Opening
from orchestrator.hosts import Say, Session
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.leftovers import Find, Left
from orchestrator.hosts.pooled import PooledHost
from orchestrator.inventory.machines import Machine
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.outcomes import Attempt, fold
from orchestrator.records.rundir import RunFolder


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
            left = _left(folder, machine.name, plan)
            attached = registry.of(machine).attach(machine, left, terms)
            for pool, rest in attached.pools.items():
                pools |= _usable(pool, rest, observer)
            for name, find in attached.harnesses.items():
                attempt = stack.enter_context(folder.reopened(name, left.attempts[name], plan))
                _catch_up(machine.name, left.attempts[name], observer)
                openings.append((machine.name, _opening(folder, machine, attempt, find), attempt))
            if not attached.pools and not attached.harnesses:
                _tell_of_the_end(machine, left, observer)
        if openings or pools:
            fleet.follow(openings, pools, folder, plan, observer, detach=detach)


def _left(folder: RunFolder, name: str, plan: Plan) -> Left:
    attempts = folder.attempts(name, plan)
    outcome = fold(name, attempts.values(), plan.plan_id)
    complete = not planning.for_resume(plan, outcome).attempts()
    told = outcome.measurements.keys() | outcome.failures.keys()
    rest = plan.model_copy(update={"skip": tuple(sorted(told))})
    is_finished = outcome.ending == "finished"
    return Left(folder, attempts, rest, is_whole=complete, is_finished=is_finished)


def _usable(pool: PooledHost, rest: Plan, observer: Observer) -> dict[PooledHost, Plan]:
    """A pool with what is left for it; nothing, and a sentence, where it cannot measure that."""
    try:
        pool.check(rest)
    except NoHostError as error:
        pool.close()
        observer.ended(pool.name, error.in_one_line)
        return {}
    return {pool: rest}


def _tell_of_the_end(machine: Machine, left: Left, observer: Observer) -> None:
    """What became of a host that has nothing under way any more."""
    for known in left.attempts.values():
        _catch_up(machine.name, known, observer)
    observer.doing(machine.name, "nothing is under way here any more")
    observer.ended(machine.name, "" if left.is_whole else _why_incomplete(machine, left))


def _why_incomplete(machine: Machine, left: Left) -> str:
    """Why cases are missing for good, as far as this run knows."""
    troubles = [attempt.trouble.message for attempt in left.attempts.values() if attempt.trouble]
    resume = f"python orchestrate.py --resume {left.folder.pasted}"
    if troubles and "--resume" in troubles[-1]:
        return troubles[-1]
    if troubles:
        return f"{troubles[-1].rstrip('.')}. To try there again:  {resume}"
    alone = "what measures without Docker ends with its terminal"
    why = "its harness has ended" if registry.of(machine).goes_on_alone else alone
    return f"{why}. Measure the rest:  {resume}"


def _catch_up(host: str, known: Attempt, observer: Observer) -> None:
    for record in known.records:
        observer.saw(host, record)


def _opening(folder: RunFolder, machine: Machine, attempt: AttemptFile, find: Find) -> Opening:
    def take_up(say: Say) -> Session:
        say("connecting")
        session = find(attempt)
        if session is None:
            raise HostError(
                f'host "{machine.name}": its harness is no longer there',
                f"Measure the rest:  python orchestrate.py --resume {folder.pasted}",
            )
        folder.mark_followed(attempt.name)
        return session

    return take_up

"""Taking up a run whose terminal is gone: its harnesses went on, and their containers kept all they
said. Of a pool the jobs under way went on; what waited for them is measured from here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from harness.contract.plan import Plan
from orchestrator import planning
from orchestrator.errors import HostError
from orchestrator.fleet import fleet
from orchestrator.fleet.fleet import Observer
from orchestrator.fleet.work import Opening
from orchestrator.hosts import STARTING, Say, Session, contained, pooled
from orchestrator.hosts.contained import Terms
from orchestrator.inventory.inventory import Machine
from orchestrator.records.outcomes import Attempt
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

    Nobody else may be at it: the caller holds the folder.

    Raises: InterruptedRunError; StorageError; RunError: it is damaged.
    """
    left = {machine: _unfinished(folder, machine) for machine in machines}
    pools = {machine: rest for machine in machines if (rest := _rest_of_pool(folder, machine))}
    if not any(left.values()) and not pools:
        _tell_of_the_end(folder, machines, observer)
        return
    with ExitStack() as stack:
        openings = []
        for machine, names in left.items():
            if not names and machine not in pools:
                _tell_of_the_end(folder, [machine], observer)
            for name in names:
                attempt, known = stack.enter_context(folder.reopened(name))
                _catch_up(machine.name, known, observer)
                openings.append((machine.name, _opening(folder, machine, attempt, terms), attempt))
        hosts = {pooled.host_of(machine, terms): rest for machine, rest in pools.items()}
        fleet.follow(openings, hosts, folder, observer, detach=detach)


def _rest_of_pool(folder: RunFolder, machine: Machine) -> Plan | None:
    """The cases of a pool that are under way, or that nobody has begun; None where there are
    none, and no control is under way. What failed is for --resume to measure again."""
    if machine.pool is None:
        return None
    plan = folder.plan()
    outcome = next(each for each in folder.each_outcome() if each.host == machine.name)
    told = outcome.measurements.keys() | outcome.failures.keys()
    rest = plan.model_copy(update={"skip": tuple(sorted(told))})
    controls = (note for note in folder.jobs(machine.name).values() if note.control)
    return rest if rest.cases() or any(not note.end for note in controls) else None


def _tell_of_the_end(folder: RunFolder, machines: Sequence[Machine], observer: Observer) -> None:
    """What became of hosts that have nothing under way any more."""
    for machine in machines:
        attempts = folder.attempts(machine.name)
        for known in attempts.values():
            _catch_up(machine.name, known, observer)
        observer.doing(machine.name, "nothing is under way here any more")
        observer.ended(machine.name, _why_incomplete(folder, machine, attempts.values()))


def _why_incomplete(folder: RunFolder, machine: Machine, attempts: Iterable[Attempt]) -> str:
    """Why cases are missing for good, as far as this run knows; empty where none is."""
    outcome = next(each for each in folder.outcomes() if each.host == machine.name)
    if not planning.for_resume(folder.plan(), outcome).cases():
        return ""
    troubles = [attempt.trouble.message for attempt in attempts if attempt.trouble]
    resume = f"python orchestrate.py --resume {folder.pasted}"
    if troubles and "--resume" in troubles[-1]:
        return troubles[-1]
    if troubles:
        return f"{troubles[-1].rstrip('.')}. To try there again:  {resume}"
    alone = "what measures without Docker ends with its terminal"
    why = alone if machine.is_local else "its harness has ended"
    return f"{why}. Measure the rest:  {resume}"


def _unfinished(folder: RunFolder, machine: Machine) -> list[str]:
    """The attempts on a host that may still be under way, or have records to fetch."""
    if machine.address is None:
        return []
    outcome = next(each for each in folder.outcomes() if each.host == machine.name)
    if outcome.ending == "finished" and not planning.for_resume(folder.plan(), outcome).cases():
        return []
    attempts = folder.attempts(machine.name)
    return [name for name, attempt in attempts.items() if not is_over(attempt)]


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

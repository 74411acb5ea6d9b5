"""What a run would measure, and how long it may take, before it does (text and JSON)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Final

from harness.contract import recipes
from harness.contract.plan import Plan
from orchestrator import estimate, wording
from orchestrator.cli.host_state import duration
from orchestrator.fleet import controls
from orchestrator.hosts import local_gpus
from orchestrator.inventory.inventory import Machine

# Below this nobody needs to be warned.
LONG_S: Final = 20 * 60


def plan_text(plan: Plan, machines: Sequence[Machine]) -> str:
    """What would be measured, and how long it may take."""
    cases = [each.case for each in plan.attempts() if not each.case.is_a_a]
    lines = [
        f"{wording.many(len(cases), 'case')} on {'each of ' * (len(machines) > 1)}"
        f"{wording.many(len(machines), 'host')}, "
        f"{wording.many(plan.protocol.iterations, 'inference')} per variant, "
        f"{plan.weights} weights",
        f"models       {', '.join(plan.models)}",
        f"batch sizes  {', '.join(map(str, plan.batch_sizes))}",
        f"modes        {', '.join(recipes.named(name).mode for name in plan.recipes)}",
        f"precisions   {', '.join(plan.precisions)}",
    ]
    if plan.noise_floor:
        lines.append(f"noise floor  {', '.join(case.case_id for case in plan.noise_floor)}")
    if plan.skip:
        lines.append(f"left out     {wording.many(len(plan.skip), 'case')} that need no measuring")
    return "\n".join([*lines, *(_about(plan, machine) for machine in machines), *_idle(machines)])


def _about(plan: Plan, machine: Machine) -> str:
    """How long a machine may take, and on what."""
    count = _gpus(machine)
    estimated_s, more = _estimated_s(plan, machine, count), _controls(plan, machine)
    if estimated_s is None:
        return f"{machine.name:<12} on its CPU, whose speed is not known here{more}"
    where = wording.many(count, "GPU") if count > 1 else "a GPU" if count else "this CPU"
    return f"{machine.name:<12} about {duration(estimated_s)} on {where}{more}"


def _controls(plan: Plan, machine: Machine) -> str:
    """What a pool measures besides."""
    if machine.pool is None:
        return ""
    more = controls.turns(
        plan, plan.attempts(), (), machine.pool, lambda case: estimate.share_s(plan, case)
    )
    times = wording.many(len(more), "time")
    return f"; {more[0].attempt.case_id} {times} more, to see if workers agree" if more else ""


def _estimated_s(plan: Plan, machine: Machine, count: int) -> float | None:
    """How long a machine may take on so many GPUs, in seconds; None for a distant CPU, which may be
    any."""
    if not machine.is_local and not count:
        return None
    return estimate.seconds(plan, gpu=count > 0) / max(count, 1)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _gpus(machine: Machine) -> int:
    """On how many GPUs a machine spreads its cases; 0 for its CPU. Raises: UsageError."""
    if machine.pool is not None:
        return machine.pool.gpus * machine.pool.workers
    return local_gpus.count() if machine.is_local else len(machine.gpus)


def plan_json(plan: Plan, machines: Sequence[Machine]) -> str:
    """The same for programs; `plan` is what the harness would get."""
    counts = [(each, _gpus(each)) for each in machines]
    hosts = [
        {"name": each.name, "gpus": count, "estimated_s": _whole(_estimated_s(plan, each, count))}
        for each, count in counts
    ]
    cases = sum(not each.case.is_a_a for each in plan.attempts())
    found = {"cases_per_host": cases, "hosts": hosts, "plan": plan.model_dump(mode="json")}
    return json.dumps(found, indent=2)


def forewarning(plan: Plan, machines: Sequence[Machine]) -> list[str]:
    """What a user should know before a long run starts."""
    if not any(machine.is_local for machine in machines):
        return []
    there = local_gpus.listed()
    if local_gpus.count(there):
        return _idle(machines, there)
    cases_s = estimate.case_seconds(plan, gpu=False)
    about_s = math.fsum(cases_s)
    if about_s < LONG_S:
        return []
    limit_s = plan.protocol.case_limit_s
    endless = sum(case_s >= limit_s for case_s in cases_s)
    return [
        f"No NVIDIA GPU is visible here: on this CPU the run will take about {duration(about_s)}.",
        *(_too_long(endless, limit_s) if endless else ()),
        "Ctrl-C keeps what is measured. For an answer in minutes:  "
        "python orchestrate.py --hosts local --quick",
    ]


def _idle(
    machines: Sequence[Machine], there: Sequence[local_gpus.Listed] | None = None
) -> list[str]:
    """That GPUs of this machine stay idle, if it is to measure and they do; at most a line."""
    if not any(machine.is_local for machine in machines):
        return []
    hint = local_gpus.hint(local_gpus.listed() if there is None else there)
    return [hint] if hint else []


def _too_long(cases: int, limit_s: float) -> tuple[str, ...]:
    return (
        f"{wording.many(cases, 'case')} may not end within {duration(limit_s)}, the time limit of "
        "a case: fewer --iterations or smaller --batch-sizes help.",
    )

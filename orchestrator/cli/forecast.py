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
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.kind import Parallelism
from orchestrator.inventory.machines import Machine

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
        lines.append(f"left out     {wording.many(len(plan.skip), 'case')}, not to measure again")
    spread = [(machine, _parallelism(machine)) for machine in machines]
    about = (_about(plan, machine, parallel) for machine, parallel in spread)
    idle = (parallel.idle for _, parallel in spread if parallel.idle)
    return "\n".join([*lines, *about, *idle])


def _parallelism(machine: Machine) -> Parallelism:
    """Raises: UsageError."""
    return registry.of(machine).parallelism(machine)


def _about(plan: Plan, machine: Machine, parallel: Parallelism) -> str:
    """How long a machine may take, and on what."""
    estimated_s, more = _estimated_s(plan, machine, parallel), _controls(plan, parallel)
    if estimated_s is None:
        return f"{machine.name:<12} on its CPU, whose speed is not known here{more}"
    gpus = parallel.gpus
    where = wording.many(gpus, "GPU") if gpus > 1 else "a GPU" if gpus else "this CPU"
    return f"{machine.name:<12} about {duration(estimated_s)} on {where}{more}"


def _controls(plan: Plan, parallel: Parallelism) -> str:
    """What is measured besides, on several workers."""
    more = controls.turns(
        plan, plan.attempts(), (), parallel.controlled, lambda case: estimate.share_s(plan, case)
    )
    times = wording.many(len(more), "time")
    return f"; {more[0].attempt.case_id} {times} more, to see if workers agree" if more else ""


def _estimated_s(plan: Plan, machine: Machine, parallel: Parallelism) -> float | None:
    """How long a machine may take, in seconds; None for a distant CPU, which may be any."""
    if not parallel.gpus and not registry.of(machine).is_here:
        return None
    return estimate.seconds(plan, gpu=parallel.gpus > 0) / max(parallel.gpus, 1)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def plan_json(plan: Plan, machines: Sequence[Machine]) -> str:
    """The same for programs; `plan` is what the harness would get."""
    hosts = [_host_json(plan, each, _parallelism(each)) for each in machines]
    cases = sum(not each.case.is_a_a for each in plan.attempts())
    found = {"cases_per_host": cases, "hosts": hosts, "plan": plan.model_dump(mode="json")}
    return json.dumps(found, indent=2)


def _host_json(plan: Plan, machine: Machine, parallel: Parallelism) -> dict[str, object]:
    estimated_s = _whole(_estimated_s(plan, machine, parallel))
    return {"name": machine.name, "gpus": parallel.gpus, "estimated_s": estimated_s}


def forewarning(plan: Plan, machines: Sequence[Machine]) -> list[str]:
    """What a user should know before a long run starts."""
    here = [_parallelism(machine) for machine in machines if registry.of(machine).is_here]
    if not here:
        return []
    if any(parallel.gpus for parallel in here):
        return [parallel.idle for parallel in here if parallel.idle]
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


def _too_long(cases: int, limit_s: float) -> tuple[str, ...]:
    return (
        f"{wording.many(cases, 'case')} may not end within {duration(limit_s)}, the time limit of "
        "a case: fewer --iterations or smaller --batch-sizes help.",
    )

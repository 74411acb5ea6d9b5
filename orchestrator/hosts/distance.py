"""What a machine at a distance cannot have of this one."""

from __future__ import annotations

from harness.contract import sources
from harness.contract.plan import Plan
from orchestrator.errors import NoHostError


def require_reachable(host: str, plan: Plan) -> None:
    """Raises: NoHostError: a model of the plan is on this machine alone."""
    for model in plan.models:
        source = sources.of(model)
        if source is not None and source.is_of_one_machine:
            raise NoHostError(
                f'host "{host}" cannot see the {source.name} {model} of this machine',
                "Put the model on the Hub, or measure it with --hosts local",
            )

"""Whether a pool can measure, as far as its cluster tells without starting anything there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from orchestrator import wording
from orchestrator.diagnosis.checks import Check, Examined
from orchestrator.hosts import cluster_advice, pooled
from orchestrator.hosts.jobs import LABEL, Jobs, JobsError, Node, TokenError, VariableError
from orchestrator.inventory.pools import Pool, PoolMachine

Connect: TypeAlias = Callable[[Pool, str], Jobs]
"""The cluster of a pool, asked with this token."""


def examine(machine: PoolMachine, connect: Connect = pooled.reach) -> Examined:
    """Ask a pool's cluster."""
    return Examined(machine.name, machine.where, tuple(_checks(machine.pool, connect)))


def _checks(pool: Pool, connect: Connect) -> list[Check]:
    try:
        token = pooled.token_of(pool)
    except VariableError as error:
        return [Check("Token", "bad", *cluster_advice.cause(error))]
    jobs = connect(pool, token)
    try:
        version, nodes = jobs.version(), jobs.nodes()
    except JobsError as error:
        subject = "Token" if isinstance(error, TokenError) else "Ray"
        return [Check(subject, "bad", *cluster_advice.cause(error))]
    finally:
        jobs.close()
    return [Check("Ray", "good", version), _token(pool, connect), *_nodes(pool, nodes)]


def _token(pool: Pool, connect: Connect) -> Check:
    """Whoever reaches a dashboard that asks for none runs what he likes on the cluster."""
    jobs = connect(pool, "")
    try:
        jobs.version()
    except TokenError:
        if pool.is_exposed:
            found = "asked for, and sent where everybody on the way can read it"
            return Check("Token", "bad", found, "ssh -N -L 8265:127.0.0.1:8265 HEAD", optional=True)
        return Check("Token", "good", "asked for, and right")
    except JobsError as error:
        return Check("Token", "unknown", error.text)
    finally:
        jobs.close()
    return Check(
        "Token",
        "bad",
        "none is asked for: whoever reaches this address can run anything there",
        "RAY_AUTH_MODE=token ray start --head …",
        optional=True,
    )


def _nodes(pool: Pool, nodes: tuple[Node, ...]) -> list[Check]:
    there, kind = pooled.fitting(pool, nodes), pool.kind
    if not there:
        return [
            Check(
                "Nodes",
                "bad",
                f"no {kind} node now ({cluster_advice.present(nodes)}); one that an autoscaler "
                "brings is waited for",
                f"ray start --address=HEAD:6379 --labels={LABEL}={kind}",
            )
        ]
    checks = [Check("Nodes", "good", f"{wording.many(len(there), f'{kind} node')}")]
    gpus = int(sum(node.gpus for node in there))
    if pool.gpus and gpus < pool.workers:
        found = f"{gpus}, and workers = {pool.workers}: the rest waits"
        checks.append(Check("GPUs", "bad", found, f"workers = {gpus}", optional=True))
    elif pool.gpus:
        checks.append(Check("GPUs", "good", f"{gpus}, for {wording.many(pool.workers, 'worker')}"))
    unknown = "known when the first case runs: the python of its nodes must find what is measured"
    return [*checks, Check("Packages", "unknown", unknown)]

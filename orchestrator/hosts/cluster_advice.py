"""What a cluster says -> one sentence for the user, and what to do (pure).

The words are those of Ray 2.60, as seen in real faults.
"""

from __future__ import annotations

import re
from typing import Final

from orchestrator.errors import HostError
from orchestrator.hosts import LogError
from orchestrator.hosts.jobs import JobsError, JobState, Node, TokenError, VariableError

_MAX_CHARACTERS: Final = 300
_UNUSABLE_PLAN: Final = 2
_NOT_FOUND: Final = 404
# What is wrong is so for every case of the pool.
_REFUSED: Final = ("RUNTIME_ENV_SETUP_FAILURE",)
_NO_NODE: Final = ("JOB_SUPERVISOR_ACTOR_START_TIMEOUT", "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE")

_TABLE: Final = (
    (
        r"it wants a token",
        "it wants a token",
        'Name the variable that holds it in hosts.toml:  token_env = "RAY_AUTH_TOKEN"',
    ),
    (
        r"it refuses the token",
        "it refuses the token",
        "On the head:  ray get-auth-token  ; put what it prints into the variable of token_env",
    ),
    (
        r"Connection refused",
        "nothing listens there",
        "Open the way to its dashboard:  ssh -N -L 8265:127.0.0.1:8265 HEAD  , or  "
        "kubectl port-forward service/HEAD 8265",
    ),
    (
        r"Name or service not known|resolve",
        "its name is not known",
        "Correct ray = in hosts.toml",
    ),
    (
        r"not a Ray dashboard",
        "something else than a Ray dashboard answers at this address",
        "Correct ray = in hosts.toml; a dashboard listens on port 8265 of the head, without a path",
    ),
    (
        r"No available agent|Cannot connect to host",
        "its head starts no jobs: the agent there does not answer",
        "On the head:  ray status  , and dashboard_agent.log under /tmp/ray/session_latest/logs",
    ),
    (
        r"SSL|certificate",
        "TLS failed",
        "A dashboard by itself speaks http://. A proxy before it needs a certificate that this "
        "machine trusts, or use a tunnel",
    ),
)


class NodeLostError(HostError):
    """A node is gone with the case that it measured, which another node may measure anew."""


class HarnessEndedError(HostError):
    """A harness ended by itself, before its end record."""


class JobStoppedError(HostError):
    """Somebody stopped a job before its harness came to its end."""


class PoolError(HostError):
    """What is wrong with a pool as a whole: none of its cases can be measured."""


def cause(error: JobsError) -> tuple[str, str]:
    """What is wrong, and what to do about it, without saying where."""
    if isinstance(error, VariableError):
        advice = f"export {error.variable}=…  , with what  ray get-auth-token  prints on the head"
        return error.text, advice
    text = error.text
    if error.status == _NOT_FOUND:
        text = "not a Ray dashboard: it answers 404"
    if "BadStatusLine" in text:
        text = "not a Ray dashboard: it speaks no HTTP"
    for words, sentence, advice in _TABLE:
        if re.search(words, text):
            said = "" if isinstance(error, TokenError) else f" ({_short(text)})"
            return sentence + said, advice
    return f"it refused: {_short(text)}", "Look at its dashboard; tunnels must be open"


def explain(pool: str, error: JobsError, address: str = "") -> PoolError:
    sentence, advice = cause(error)
    where = f" ({address})" if address else ""
    return PoolError(f'host "{pool}"{where}: {sentence}', advice)


def ended(pool: str, state: JobState, run: str) -> HostError:
    """What it means that a job has ended without the harness's end record."""
    if state.error in _REFUSED:
        return PoolError(
            f'host "{pool}": its cluster cannot set up the package ({_short(state.message)})',
            "On the head: runtime_env_setup-*.log under /tmp/ray/session_latest/logs",
        )
    if state.error in _NO_NODE:
        return NodeLostError(f'host "{pool}": no node took the case ({_short(state.message)})')
    if state.status == "STOPPED":
        return JobStoppedError(
            f'host "{pool}": somebody stopped the job of this case',
            f"Measure the rest:  python orchestrate.py --resume {run}",
            "crash",
        )
    if state.exit_code == _UNUSABLE_PLAN:
        return HarnessEndedError(
            f'host "{pool}": its harness cannot use the plan',
            "logs/ of the run says more; the python of that node may lack what the harness needs",
            "crash",
        )
    if state.exit_code not in (None, 0):
        return HarnessEndedError(
            f'host "{pool}": the harness {_how(state.exit_code)} before its end',
            f"logs/ of the run says more; measure again:  python orchestrate.py --resume {run}",
            "crash",
        )
    return NodeLostError(f'host "{pool}": node {state.node or "unknown"} was lost')


def _how(code: int | None) -> str:
    if code in (-9, 137):
        return "was killed, perhaps because memory did not suffice,"
    return f"ended with exit code {code}"


def forgotten(pool: str) -> NodeLostError:
    return NodeLostError(f'host "{pool}": its cluster forgot the job: its head was started anew')


def silent(pool: str, silent_s: float) -> NodeLostError:
    return NodeLostError(f'host "{pool}": a job was silent for {silent_s:.0f} s, and was stopped')


def out_of_reach(pool: str, away_s: float, error: LogError, run: str) -> HostError:
    return HostError(
        f'host "{pool}" was lost: nothing heard for {away_s:.0f} s ({_short(error.text)})',
        "Its jobs go on by themselves; when the cluster can be reached again:  "
        f"python orchestrate.py attach {run}",
    )


def no_free_node(pool: str, kind: str, waited_s: float, nodes: tuple[Node, ...]) -> PoolError:
    return PoolError(
        f'host "{pool}": no {kind} node was free for {waited_s:.0f} s ({present(nodes)})',
        "Wait until others are done there, or correct accelerator or resource in hosts.toml",
    )


def no_such_node(pool: str, kind: str, nodes: tuple[Node, ...]) -> PoolError:
    return PoolError(
        f'host "{pool}": its cluster has no {kind} node ({present(nodes)})',
        "Correct accelerator or resource in hosts.toml, or start such a node:  "
        f"ray start --address=HEAD:6379 --labels=ray.io/accelerator-type={kind}",
    )


def present(nodes: tuple[Node, ...]) -> str:
    """Which accelerators a cluster has, with the number of their nodes."""
    kinds = [node.accelerator or "no label" for node in nodes if node.alive and node.gpus]
    counted = {kind: kinds.count(kind) for kind in sorted(kinds)}
    listed = ", ".join(f"{number} × {kind}" for kind, number in counted.items())
    return f"there is: {listed}" if listed else "there is no node with a GPU"


def _short(text: str) -> str:
    return " ".join(text.split())[:_MAX_CHARACTERS]

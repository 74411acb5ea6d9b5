"""What a pool asks of a cluster: the seam between the two (no HTTP here).

One job measures one case. A job's id is chosen by the caller, so asking twice starts it once.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from orchestrator.hosts import LogError

Status: TypeAlias = Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
ENDED: Final = ("STOPPED", "SUCCEEDED", "FAILED")
LABEL: Final = "ray.io/accelerator-type"
NODE_LABEL: Final = "ray.io/node-id"


class JobsError(LogError):
    """A cluster refused. `status` is that of HTTP, 0 where there was none."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class ClusterLinkError(JobsError):
    """A cluster cannot be reached, or not any more."""


class TokenError(JobsError):
    """A cluster wants a token, or another one."""


class VariableError(TokenError):
    """The variable that is to hold the token does not."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(f"the variable {variable} of token_env {why}")
        self.variable = variable


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to start: what it runs, in which package, and on what kind of node.

    `accelerator` is the value of the node's label, `resources` are custom ones that a node must
    have, each with the amount that the job takes; `avoid` holds the ids of nodes not to run on.
    """

    id: str
    entrypoint: str
    package: str
    accelerator: str = ""
    gpus: int = 1
    resources: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as the cluster knows it. `node` is where it runs, as people are told, and `node_id` as
    the cluster is; `exit_code` how its command ended;
    `error` is the cluster's own name for what went wrong."""

    id: str
    status: Status
    message: str = ""
    error: str = ""
    node: str = ""
    exit_code: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    node_id: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster. `gpus` counts those that the cluster hands out."""

    address: str
    alive: bool
    accelerator: str
    gpus: float
    resources: frozenset[str] = frozenset()
    id: str = ""


class Jobs(Protocol):
    """A cluster's Jobs API. Every method may raise JobsError, ClusterLinkError or TokenError."""

    def version(self) -> str:
        """The version of Ray."""
        ...

    def nodes(self) -> tuple[Node, ...]: ...

    def keep_package(self, name: str, content: bytes) -> bool:
        """See that the cluster has a package. Returns: whether it had to be sent."""
        ...

    def submit(self, request: JobRequest) -> None:
        """Start a job, unless it was started already."""
        ...

    def state(self, job: str) -> JobState | None:
        """None: the cluster knows no such job."""
        ...

    def tail(self, job: str, silence_s: float) -> Generator[bytes, None, None]:
        """The job's log from its first byte, as it grows. That it ends means nothing: the tail of
        a lost node ends like any other. Silence for longer than `silence_s` is a lost link."""
        ...

    def log(self, job: str) -> bytes:
        """The job's whole log, while its node is there."""
        ...

    def stop(self, job: str) -> None: ...

    def delete(self, job: str) -> None:
        """Let the cluster forget a job that has ended."""
        ...

    def jobs(self) -> tuple[JobState, ...]: ...

    def close(self) -> None: ...

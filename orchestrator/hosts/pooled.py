"""A host that is a pool of nodes on a cluster: each case in a job of its own."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from harness.contract.plan import Plan
from harness.contract.vocabulary import SCHEMA_VERSION
from orchestrator.errors import HostError, NoHostError
from orchestrator.hosts import Say, cluster_advice, contained, container, distance, package
from orchestrator.hosts.host_log import HostLog
from orchestrator.hosts.job_log import JobLog, Patience
from orchestrator.hosts.jobs import (
    ClusterLinkError,
    JobRequest,
    Jobs,
    JobsError,
    JobState,
    Node,
    VariableError,
)
from orchestrator.hosts.replaying import ReplayingSession
from orchestrator.inventory.pools import Pool, PoolMachine
from orchestrator.records.attempt_file import AttemptFile

# From here on a user wants to know what the waiting is for.
TELL_S: Final = 30.0
# Ray's own accelerator resources say which GPU a node has: there is one of each, for all its GPUs.
_SHARED: Final = "accelerator_type:"
_SHARE: Final = 0.001
# What a header can hold, without blanks.
_TOKEN: Final = re.compile(r"[!-~]+")
_CASE: Final = "torch-compile-benchmark.case"


class Watch(Protocol):
    """Who knows of all jobs of a pool."""

    def saw(self, state: JobState) -> None:
        """A job is in this state."""
        ...

    def starved_s(self) -> float:
        """Seconds since when jobs wait for a node and not one runs."""
        ...


@dataclass(slots=True)
class OneJob:
    """The watch over a job that is the only one."""

    _began_s: float = field(default_factory=time.monotonic)
    _runs: bool = False

    def saw(self, state: JobState) -> None:
        self._runs = self._runs or state.status != "PENDING"

    def starved_s(self) -> float:
        return 0.0 if self._runs else time.monotonic() - self._began_s


@dataclass(slots=True, eq=False)
class PooledHost:
    """A pool; `connect` gives its cluster."""

    name: str
    pool: Pool
    connect: Callable[[], Jobs]
    patience: Patience = field(default_factory=Patience)
    limit_s: float = 24 * 3600.0
    _jobs: Jobs | None = None
    _unfit: dict[str, None] = field(default_factory=dict)
    _ready: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _package: package.Package | None = None

    def check(self, plan: Plan) -> None:
        distance.require_reachable(self.name, plan)
        try:
            token_of(self.pool)
        except VariableError as error:
            sentence, advice = cluster_advice.cause(error)
            raise NoHostError(f'host "{self.name}": {sentence}', advice) from error

    def ready(self, plan: Plan, say: Say) -> None:
        """See that the cluster can be reached and has the package; once for all its workers.

        Raises: HostError.
        """
        with self._lock:
            if self._ready:
                return
            say("connecting")
            try:
                jobs = self.jobs()
                jobs.version()
                self._package = package.pack(plan)
                say("sending the harness")
                jobs.keep_package(self._package.name, self._package.content)
                if not fitting(self.pool, nodes := jobs.nodes()):
                    say(f"no {self.pool.kind} node ({cluster_advice.present(nodes)}): waiting")
            except JobsError as error:
                raise cluster_advice.explain(self.name, error, self.pool.address) from error
            self._ready = True

    def jobs(self) -> Jobs:
        self._jobs = self._jobs or self.connect()
        return self._jobs

    def close(self) -> None:
        if self._jobs is not None:
            self._jobs.close()

    def new_job(self, attempt: AttemptFile) -> str:
        """An id that nobody else on the cluster has."""
        stem = attempt.name.removesuffix(".jsonl")
        return f"{attempt.run_id}-{stem}-{secrets.token_hex(3)}"

    def avoid(self, node_id: str) -> bool:
        """Give a node that cannot measure no more cases. Returns: whether another one is there."""
        if not node_id:
            return False
        with self._lock:
            self._unfit[node_id] = None
            try:
                return any(
                    n.id and n.id not in self._unfit
                    for n in fitting(self.pool, self.jobs().nodes())
                )
            except JobsError:
                return False

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> ReplayingSession:
        """Measure the one case of a plan. Raises: HostError."""
        self.ready(plan, say)
        return self.submit(plan, attempt, say, OneJob())

    def submit(self, plan: Plan, attempt: AttemptFile, say: Say, watch: Watch) -> ReplayingSession:
        """Start the job of an attempt, unless it was, and wait for its node. Raises: HostError."""
        request = self._request(plan, attempt)
        assert self._package is not None
        try:
            # A cluster forgets a package that no job has used for ten minutes.
            self.jobs().keep_package(self._package.name, self._package.content)
            self.jobs().submit(request)
        except JobsError as error:
            raise cluster_advice.explain(self.name, error, self.pool.address) from error
        return self.take_up(request.id, attempt, say, watch)

    def take_up(self, job: str, attempt: AttemptFile, say: Say, watch: Watch) -> ReplayingSession:
        """Follow a job that was started already. Raises: HostError."""
        try:
            self._await_node(job, say, watch)
        except BaseException:  # stopped, or nobody took it: it must not begin later, unseen
            self._withdraw(job)
            raise
        source = JobLog(
            self.name,
            self.jobs(),
            job,
            attempt.run_id,
            self.patience.silence_s,
            watch.saw,
            log=HostLog(attempt.log),
            patience_s=self.patience.lost_s,
            pause_s=self.patience.pause_s,
        )
        return ReplayingSession(source)

    def _withdraw(self, job: str) -> None:
        try:
            self.jobs().stop(job)
        except JobsError:
            return

    def _await_node(self, job: str, say: Say, watch: Watch) -> None:
        began_s = heard_s = time.monotonic()
        while True:
            try:
                state, heard_s = self.jobs().state(job), time.monotonic()
            except ClusterLinkError as error:
                away_s = time.monotonic() - heard_s
                if away_s > self.patience.lost_s:
                    raise cluster_advice.explain(self.name, error, self.pool.address) from error
            except JobsError as error:
                raise cluster_advice.explain(self.name, error, self.pool.address) from error
            else:
                if state is None:
                    raise cluster_advice.forgotten(self.name)
                watch.saw(state)
                if state.status != "PENDING":
                    return
                self._wait_on(watch.starved_s(), time.monotonic() - began_s, say)
            time.sleep(self.patience.pause_s)

    def _wait_on(self, starved_s: float, waited_s: float, say: Say) -> None:
        """Raises: HostError: it was too long; whatever `say` does when the run is stopped."""
        kind = self.pool.kind
        if starved_s > self.patience.lost_s:
            raise self._none_came(starved_s)
        if waited_s < TELL_S:
            say(f"waiting for a free {kind} node")
        else:
            say(f"no {kind} node free for {waited_s // TELL_S * TELL_S:.0f} s")

    def _none_came(self, starved_s: float) -> HostError:
        try:
            nodes = self.jobs().nodes()
        except JobsError as error:
            return cluster_advice.explain(self.name, error, self.pool.address)
        if not fitting(self.pool, nodes):
            return cluster_advice.no_such_node(self.name, self.pool.kind, nodes)
        return cluster_advice.no_free_node(self.name, self.pool.kind, starved_s, nodes)

    def _request(self, plan: Plan, attempt: AttemptFile) -> JobRequest:
        (wanted,) = plan.attempts()
        assert self._package is not None
        resource = self.pool.resource
        return JobRequest(
            id=attempt.job or self.new_job(attempt),
            entrypoint=self._command(wanted.case_id),
            package=self._package.name,
            accelerator=self.pool.accelerator,
            gpus=self.pool.gpus,
            avoid=tuple(self._unfit),
            resources={resource: _SHARE if resource.startswith(_SHARED) else 1} if resource else {},
            metadata={
                container.RUN: attempt.run_id,
                container.HOST: self.name,
                container.ATTEMPT: attempt.name,
                container.OWNER: contained.owner(),
                container.SCHEMA: str(SCHEMA_VERSION),
                _CASE: wanted.case_id,
            },
        )

    def _command(self, case_id: str) -> str:
        """The shell goes, so that whoever stops the job stops the harness."""
        gpu = " --require-gpu" if self.pool.gpus else ""
        return (
            f"exec python -m harness --plan {package.PLAN} --only {shlex.quote(case_id)} "
            f"--limit-s {self.limit_s:.0f}{gpu}"
        )


def fitting(pool: Pool, nodes: tuple[Node, ...]) -> list[Node]:
    """The nodes on which a case of the pool can run."""
    return [
        node
        for node in nodes
        if node.alive
        and node.gpus >= pool.gpus
        and pool.accelerator in ("", node.accelerator)
        and (not pool.resource or pool.resource in node.resources)
    ]


def reach(pool: Pool, token: str) -> Jobs:
    """The cluster of a pool, not yet asked anything."""
    from orchestrator.hosts.ray import RayJobs  # loading requests takes a fifth of a second

    return RayJobs(pool.address, token)


def token_of(pool: Pool) -> str:
    """What this desk has for the cluster of a pool; empty where none is asked for.

    Raises: VariableError, whose text does not hold it.
    """
    if not pool.token_env:
        return ""
    token = os.environ.get(pool.token_env, "").strip()
    if not token:
        raise VariableError(pool.token_env, "is not set here")
    if not _TOKEN.fullmatch(token):
        raise VariableError(pool.token_env, "holds no token: it has characters that none may have")
    return token


def connect(pool: Pool) -> Jobs:
    """The same, with the token of this desk. Raises: VariableError."""
    return reach(pool, token_of(pool))


def host_of(machine: PoolMachine, terms: contained.Terms) -> PooledHost:
    """The host that a pool of the inventory is."""
    patience = Patience(terms.patience_s, terms.silence_s)
    return PooledHost(
        machine.name, machine.pool, partial(connect, machine.pool), patience, terms.limit_s
    )

"""A host with a Docker engine: the harness in a container there."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import socket
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.contract.plan import Plan
from harness.contract.vocabulary import SCHEMA_VERSION
from orchestrator.errors import HostError
from orchestrator.hosts import STARTING, Say, advice, container, distance
from orchestrator.hosts.container import Lane
from orchestrator.hosts.container_log import SILENCE_S, ContainerLog
from orchestrator.hosts.engine import Container, Engine, EngineError, LinkError
from orchestrator.hosts.host_log import HostLog
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.persistence import Persistence
from orchestrator.hosts.preparation import Preparation, Ready
from orchestrator.hosts.replaying import ReplayingSession
from orchestrator.hosts.shipyard import Shipyard
from orchestrator.inventory.engines import EngineMachine
from orchestrator.inventory.machines import ONE_GPU_EACH
from orchestrator.records.attempt_file import AttemptFile


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things may take: a harness in all, a host out of reach, and a stream without a
    byte before it counts as cut."""

    limit_s: float = 24 * 3600.0
    patience_s: float = 600.0
    silence_s: float = SILENCE_S


@dataclass(frozen=True, slots=True)
class Berths:
    """Lets one host at a time look around on an engine and take its place there: two names may
    lead to one engine. By the engine's id, which engines on copied machines may share."""

    _locks: defaultdict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, engine_id: str) -> threading.Lock:
        with self._lock:
            return self._locks[engine_id]


@dataclass(frozen=True, slots=True, eq=False)
class ContainedHost:
    """One GPU of a host. Those of one host share its preparation."""

    name: str
    lane: Lane
    preparation: Preparation
    engine: Engine
    terms: Terms
    berths: Berths

    def check(self, plan: Plan) -> None:
        distance.require_reachable(self.name, plan)

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> ReplayingSession:
        ready = self.preparation.ready(say, attempt.log)
        say(STARTING)
        try:
            if self.engine is not self.preparation.engine:
                self.engine.connect()
            tries = itertools.count()
            made = self.preparation.persistence.over(
                self.engine, say, lambda: self._begun(plan, attempt, ready, again=next(tries) > 0)
            )
        except EngineError as error:
            self.engine.close()
            raise self.preparation.explain(error, attempt.run) from error
        except HostError:
            self.engine.close()
            raise
        return session_of(
            self.preparation.machine,
            self.engine,
            made,
            attempt,
            self.terms,
            container.memory_limit(ready.facts.memory_bytes, self.lane),
        )

    def _begun(self, plan: Plan, attempt: AttemptFile, ready: Ready, *, again: bool) -> str:
        """Returns: the container, in which the harness is at work."""
        with self.berths.at(ready.facts.id):
            self._require_free(attempt, again=again)
            made = self._create(plan, attempt, ready)
        self._begin(plan, made)
        return made

    def _create(self, plan: Plan, attempt: AttemptFile, ready: Ready) -> str:
        return self.engine.create(
            container.settings(
                image=ready.image,
                name=container.name_of(attempt.run_id, self.name, self.lane),
                labels=self._labels(attempt),
                lane=self.lane,
                cpus=ready.facts.cpus,
                memory_bytes=ready.facts.memory_bytes,
                pretrained=plan.weights == "pretrained",
                limit_s=self.terms.limit_s,
            )
        )

    def _begin(self, plan: Plan, made: str) -> None:
        secret = token() if plan.weights == "pretrained" else ""
        try:
            self.engine.start(made, f"{secret}\n{plan.model_dump_json()}\n".encode())
        except EngineError as error:
            with contextlib.suppress(EngineError):
                if isinstance(error, LinkError):
                    self.engine.connect()
                self.engine.remove(made)
            raise

    @property
    def _gpu(self) -> str:
        return self.lane.gpu or "none"

    def _labels(self, attempt: AttemptFile) -> dict[str, str]:
        return {
            container.RUN: attempt.run_id,
            container.HOST: self.name,
            container.ATTEMPT: attempt.name,
            container.OWNER: owner(),
            container.SCHEMA: str(SCHEMA_VERSION),
            container.GPU: self._gpu,
        }

    def _require_free(self, attempt: AttemptFile, *, again: bool) -> None:
        """Two harnesses on one GPU would measure each other. What a link that broke kept from
        being known to have begun is `again` out of the way. Raises: HostError."""
        own_name = container.name_of(attempt.run_id, self.name, self.lane)
        for other in self.engine.containers({container.RUN: ""}):
            run, host = other.labels[container.RUN], other.labels.get(container.HOST)
            same_gpu = other.labels.get(container.GPU) == self._gpu
            ours = run == attempt.run_id and host == self.name
            if ours and (same_gpu or other.name == own_name):
                if again and other.labels.get(container.ATTEMPT) == attempt.name:
                    self.engine.remove(other.id)
                    continue
                self._require_never_started(other, attempt.run)
            elif same_gpu and run == attempt.run_id and other.status in ("created", "running"):
                what = "the same GPU" if self.lane.gpu else "the same CPU"
                raise HostError(
                    f'host "{self.name}" is the machine of host "{host}", and would measure {what}',
                    ONE_GPU_EACH,
                )
            elif same_gpu and other.status == "running":
                raise HostError(
                    f'host "{self.name}" is busy: {other.labels.get(container.OWNER)} measures '
                    f"there, run {run}",
                    "Wait until that run has ended, or name another GPU in hosts.toml",
                )

    def _require_never_started(self, earlier: Container, run: str) -> None:
        """Remove what a desk left that died before it started it; nobody else is at this run.

        Raises: StillThereError: it was started, and holds what nobody else has.
        """
        if earlier.status == "created":
            self.engine.remove(earlier.id)
            return
        name = earlier.labels.get(container.ATTEMPT, "")
        raise advice.still_there(self.name, run, name, running=earlier.status != "exited")


def session_of(
    machine: EngineMachine,
    engine: Engine,
    made: str,
    attempt: AttemptFile,
    terms: Terms,
    memory_bytes: int = 0,
    *,
    taken_up: bool = False,
) -> ReplayingSession:
    """Follow a container of ours."""
    return ReplayingSession(
        ContainerLog(
            machine=machine,
            engine=engine,
            container=made,
            run=attempt.run,
            log=HostLog(attempt.log, token().encode()),
            patience_s=terms.patience_s,
            silence_s=terms.silence_s,
            memory_bytes=memory_bytes,
            taken_up=taken_up,
        )
    )


def hosts_for(
    machines: Sequence[EngineMachine], source: ImageSource, terms: Terms, *, beside_local: bool
) -> list[ContainedHost]:
    """A host for every GPU of every machine."""
    shipyard, berths = Shipyard([machine.name for machine in machines]), Berths()
    hosts = []
    for machine in machines:
        first = engine_of(machine)
        preparation = Preparation(
            machine,
            first,
            partial(engine_of, machine),
            source,
            shipyard,
            beside_local=beside_local,
            persistence=Persistence(terms.patience_s),
        )
        gpus: Sequence[str | None] = machine.gpus or (None,)
        for index, gpu in enumerate(gpus):
            engine = first if index == 0 else engine_of(machine)
            lane = Lane(gpu, index, len(gpus))
            hosts.append(ContainedHost(machine.name, lane, preparation, engine, terms, berths))
    return hosts


def engine_of(machine: EngineMachine) -> Engine:
    """The engine of a machine, not yet connected."""
    from orchestrator.hosts.docker import DockerEngine  # the SDK takes a fifth of a second to load

    return DockerEngine(machine.address)


def find(machine: EngineMachine, attempt: AttemptFile, terms: Terms) -> ReplayingSession | None:
    """The harness of an earlier attempt, if its container is still there. Raises: HostError."""
    engine = engine_of(machine)
    labels = {container.RUN: attempt.run_id, container.ATTEMPT: attempt.name}
    try:
        engine.connect()
        found = engine.containers(labels)
    except EngineError as error:
        engine.close()
        raise advice.explain(machine.name, machine.address, error, run=attempt.run) from error
    if not found or found[0].status == "created":  # the desk died before it was started
        for one in found:
            with contextlib.suppress(EngineError):
                engine.remove(one.id)
        engine.close()
        return None
    attempt.log.unlink(missing_ok=True)  # the replay writes it anew
    return session_of(machine, engine, found[0].id, attempt, terms, taken_up=True)


def token() -> str:
    """The user's token for the Hub, if there is one here. It goes to standard input alone."""
    return os.environ.get("HF_TOKEN", "").strip()


def owner() -> str:
    """Who started a container, to tell colleagues' apart from one's own."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"

"""A run on the cluster, with whatever is to go wrong in the middle of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.contract.plan import Case, Plan
from harness.contract.records import CaseStarted, Finished, Heartbeat, Record
from orchestrator.cli.progress import NoProgress
from orchestrator.compare import runs
from orchestrator.fleet import attaching
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import opening
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.inventory.pools import Pool, PoolMachine
from orchestrator.publish import rendering
from orchestrator.records.outcomes import HostOutcome
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_host import lines
from tests.ray.cluster import ROOT, Cluster

CASES: Final = tuple(
    factories.case(model, size) for model in ("resnet-50", "vit-base") for size in (1, 16)
)
PLAN: Final = factories.plan(CASES, weights="random")
TERMS: Final = Terms(patience_s=60, silence_s=8)
# A record of 64 KB and more: 300 iterations in blocks of one call would be as long.
CALLS: Final = 200
Action = Callable[[], object]


@dataclass
class Watcher(NoProgress):
    """Remembers what it is told, and acts once when a case is being measured."""

    act: Action | None = None
    remarks: list[str] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)
    doings: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def saw(self, host: str, record: Record) -> None:
        self.records.append(record)
        if self.act is not None and record.kind == "case_started":
            act, self.act = self.act, None
            act()

    def doing(self, host: str, what: str) -> None:
        self.doings.append(what)

    def noted(self, host: str, remark: str) -> None:
        self.remarks.append(remark)

    def ended(self, host: str, trouble: str) -> None:
        self.troubles[host] = trouble

    def skipped(self, host: str, why: str) -> None:
        self.skips[host] = why


@dataclass
class Trial:
    """One run, and what can be asked about it. A job costs three seconds of a processor before it
    does anything, so most runs have few cases."""

    cluster: Cluster
    output: Path
    watcher: Watcher = field(default_factory=Watcher)
    made: RunFolder | None = None
    plan: Plan = PLAN

    def __post_init__(self) -> None:
        (self.cluster.stage / "ran.txt").write_text("")
        self.play()

    def play(self, plan: Plan | None = None, pace_s: float = 0.1, **script: object) -> None:
        """What is to be measured, and what the stand-in says for each case of it."""
        self.plan = plan or self.plan
        text = json.dumps({"pace_s": pace_s, **script})
        (self.cluster.stage / "script.json").write_text(text)
        for case in (attempt.case for attempt in self.plan.attempts()):
            path = self.cluster.stage / case.case_id.replace("/", "_")
            path.write_bytes(stream_of(case, self.plan))

    def pool(self, name: str = "a100", **changes: object) -> PoolMachine:
        settings: dict[str, object] = {
            "ray": self.cluster.url, "accelerator": "A100", "workers": 4,
            "token_env": "RAY_AUTH_TOKEN", "controls": False, **changes,
        }  # fmt: skip
        return PoolMachine(name, Pool.of_table("trial", settings))

    def new(self, *machines: PoolMachine) -> RunFolder:
        self.made = Run.new(self.output, self.plan, machines, []).folder
        return self.made

    @property
    def folder(self) -> RunFolder:
        assert self.made is not None
        return self.made

    def measure(
        self, *machines: PoolMachine, terms: Terms = TERMS, detach: bool = False
    ) -> HostOutcome:
        if self.made is None:
            self.new(*machines)
        hosts = opening.hosts_for(machines, ImageSource(), terms)
        Run.of(self.folder).measure(hosts, self.watcher, detach=detach)
        return self.outcome(machines[0].name)

    def attach(self, *machines: PoolMachine, terms: Terms = TERMS) -> HostOutcome:
        attaching.attach(self.folder, machines, self.watcher, terms)
        return self.outcome(machines[0].name)

    def outcome(self, name: str) -> HostOutcome:
        return next(each for each in self.folder.outcomes() if each.host == name)

    def ran(self) -> dict[str, list[str]]:
        """The nodes on which each case was begun, by case."""
        found: dict[str, list[str]] = {}
        for line in (self.cluster.stage / "ran.txt").read_text().splitlines():
            case_id, node = line.split()
            found.setdefault(case_id, []).append(node)
        return found

    def is_measuring_on(self, address: str) -> bool:
        """Whether some of what a node says of a case is here, and not all."""
        for note in self.folder.jobs("a100").values():
            path = self.folder.path / "records" / note.attempt
            there = note.node and self.cluster.address_of(note.node) == address
            if there and not note.end and path.read_bytes().count(b"\n") >= 2:
                return True
        return False

    def page(self) -> str:
        return rendering.render(self.folder).page.read_text()

    def require_nothing_spliced(self, name: str = "a100") -> None:
        """Every case was measured by exactly one whole job, whose records are the stage's."""
        outcome = self.outcome(name)
        cases = {attempt.case_id: attempt.case for attempt in self.plan.attempts()}
        assert sorted(outcome.measurements) == sorted(cases)
        whole = [note for note in self.folder.jobs(name).values() if note.end == "whole"]
        assert sorted(note.case_id for note in whole if not note.control) == sorted(cases)
        for note in whole:
            kept = (self.folder.path / "records" / note.attempt).read_bytes()
            assert kept == stream_of(cases[note.case_id], self.plan).replace(
                b"NODE", self.cluster.address_of(note.node).encode()
            )
        assert runs.read(self.folder)

    def desk(
        self, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """The command line in a process of its own, which can be killed."""
        return subprocess.Popen(
            [sys.executable, str(ROOT / "orchestrate.py"), *arguments],
            cwd=self.output, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def inventory(self, **changes: object) -> Path:
        path = self.output / "hosts.toml"
        pool = self.pool("a100", **changes).pool
        assert pool is not None
        table = {**pool.settings(), "gpu": None, "resource": pool.resource or None}
        text = "\n".join(f"{k} = {json.dumps(v)}" for k, v in table.items() if v is not None)
        path.write_text(f"[hosts.a100]\n{text}\n")
        return path


def stream_of(case: Case, plan: Plan) -> bytes:
    device = factories.environment().device.model_copy(update={"uuid": "GPU-NODE"})
    environment = factories.environment(device=device)
    return lines(
        factories.started(plan_id=plan.plan_id, environment=environment, case_ids=(case.case_id,)),
        *(CaseStarted(case_id=case.case_id, stage=stage) for stage in ("build", "verify")),
        *(Heartbeat(case_id=case.case_id, stage="measure") for _ in range(8)),
        factories.measurement(case, calls=CALLS, noise=0.01),
        Finished(plan_id=plan.plan_id, measured=1, failed=0),
    )


def wait_for(done: Callable[[], bool], limit_s: float = 60) -> None:
    until_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < until_s, "it did not come to pass"
        time.sleep(0.05)


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def soon(act: Action, seconds: float = 0.0) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def when(is_so: Callable[[], bool], act: Action) -> threading.Thread:
    """Act in a thread of its own, once something is so."""

    def wait() -> None:
        wait_for(is_so)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@contextlib.contextmanager
def killed_in_the_end(
    process: subprocess.Popen[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.communicate()

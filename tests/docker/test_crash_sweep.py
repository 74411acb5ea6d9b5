"""Desk, container or engine killed with -9 at a moment told by a seed: the run ends complete."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from harness.contract.records import Measurement
from orchestrator.fleet import cleaning
from orchestrator.hosts import container_log
from orchestrator.hosts.docker import DockerEngine
from orchestrator.hosts.kinds.leftovers import Wish
from tests.crash.sweep import forked
from tests.docker import inside, stand_in, trial
from tests.docker.bed import BedHost, Fleet
from tests.docker.trial import RESNET, STEPS, VIT, Trial, machine

VICTIMS = ("desk", "container", "engine")
# Of a run of the stand-in below, from connecting to the last record.
TYPICAL_S = 2.5
POINTS = int(os.environ.get("CRASH_POINTS", "9"))


@pytest.fixture(autouse=True)
def reach(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(fleet["t4"].engine.client()) as client:
        stand_in.load(client, trial.image.build_input({}).tag, STEPS, pace_s=0.2)


@pytest.mark.parametrize("seed", range(1, 1 + POINTS))
def test_a_run_ends_complete_whatever_was_killed_when(
    fleet: Fleet, tmp_path: Path, seed: int
) -> None:
    victim = VICTIMS[seed % len(VICTIMS)]
    after_s = random.Random(seed).uniform(0, TYPICAL_S)
    run = Trial.new(tmp_path, [machine("t4")])
    if victim == "desk":
        kill_desk(run, after_s)
    else:
        fault = kill_container if victim == "container" else restart_engine
        timer = threading.Timer(after_s, fault, [fleet["t4"]])
        timer.start()
        run.measure()
        timer.join()
    run.attach()
    if len(measured(run)) < 2:
        run.measure()
    assert sorted(measured(run)) == sorted([RESNET.case_id, VIT.case_id]), (victim, after_s)
    assert run.verdicts("t4") == ["faster", "faster"]
    if inside.names(fleet["t4"].engine):  # its desk died between the last record and the removal
        assert victim == "desk"
        (done,) = cleaning.clean(run.machines, Wish(run.folder.path.name), tmp_path)
        assert done.removed, done
    assert inside.names(fleet["t4"].engine) == []


@pytest.mark.parametrize("comes_back", [True, False])
def test_an_engine_that_dies_as_the_container_is_removed_costs_nothing(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, comes_back: bool
) -> None:
    host, remove, tries = fleet["t4"], DockerEngine.remove, []

    def fatal(engine: DockerEngine, container: str) -> None:
        if not tries:
            host.engine.kill()
            if comes_back:
                threading.Timer(1.0, host.engine.start).start()
        tries.append(container)
        remove(engine, container)

    monkeypatch.setattr(DockerEngine, "remove", fatal)
    monkeypatch.setattr(container_log, "_TIDY_S", 30.0 if comes_back else 2.0)
    run = Trial.new(tmp_path, [machine("t4")])
    run.measure()
    assert (run.verdicts("t4"), run.watcher.troubles) == (["faster", "faster"], {"t4": ""})
    told = [remark for remark in run.watcher.remarks if "could not be removed" in remark]
    if comes_back:
        assert told
        assert all("trying again" in remark for remark in told)
    else:
        assert told[-1].endswith(f"python orchestrate.py clean {run.folder.path}")
        host.engine.start()
        assert len(inside.names(host.engine)) == 1
        (done,) = cleaning.clean(run.machines, Wish(run.folder.path.name), tmp_path)
        assert done.removed, done
    assert inside.names(host.engine) == []


def kill_desk(run: Trial, after_s: float) -> None:
    desk = forked(run.measure)
    time.sleep(after_s)
    os.kill(desk, signal.SIGKILL)
    os.waitpid(desk, 0)


def kill_container(host: BedHost) -> None:
    with contextlib.closing(host.engine.client()) as client, contextlib.suppress(Exception):
        for each in client.containers.list():
            each.kill()


def restart_engine(host: BedHost) -> None:
    host.engine.kill()
    host.engine.start()


def measured(run: Trial) -> list[str]:
    """The cases that were measured, as often as they were."""
    return [
        record.case_id
        for attempt in run.folder.attempts("t4").values()
        for record in attempt.records
        if isinstance(record, Measurement)
    ]

"""Processes that are spawned from nothing: the way taken where forking could break CUDA."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from harness import child
from harness.child import Nursery, ProbeError
from harness.contract.records import Measurement, Record
from harness.contract.vocabulary import CaseProcesses
from harness.worker import Driver, Loaded, Probe
from tests import factories
from tests.integration.conftest import job
from tests.integration.running import tiny


def test_a_spawned_process_measures_a_case_as_a_forked_one_does(tmp_path: Path) -> None:
    plan = tiny()
    heard: list[Record] = []
    nursery = Nursery(multiprocessing.get_context("spawn"))
    result = nursery.run_case(job(plan, plan.attempts()[0], tmp_path), heard.append)
    assert isinstance(result, Measurement), result
    assert [record.kind for record in heard] == ["case_started"] * 5


LOST = (
    "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env "
    "variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero."
)
OLD_DRIVER = "The NVIDIA driver on your system is too old (found version 11040).\nPlease update it."
SPAWN = multiprocessing.get_context("spawn")


def say(connection: Connection, driver: Driver, probe: Probe) -> None:
    connection.send_bytes(Loaded(driver=driver).model_dump_json().encode())
    connection.send_bytes(probe.model_dump_json().encode())


def is_forked() -> bool:
    """Whether this process came from the fork server; a spawned one is its parent's own child."""
    parent = multiprocessing.parent_process()
    return parent is None or parent.pid != os.getppid()


def sees_a_gpu_that_torch_cannot_use(connection: Connection) -> None:
    say(connection, "absent", Probe(environment=None, trouble=OLD_DRIVER))


def sees_a_gpu_that_is_lost(connection: Connection) -> None:
    say(connection, "absent", Probe(environment=None, trouble=LOST))


def has_loaded_the_driver(connection: Connection) -> None:
    """A process forked from one that has loaded the driver may find a CPU."""
    gpu = factories.environment("a forked one's GPU" if is_forked() else "NVIDIA T4")
    say(connection, "loaded", Probe(environment=gpu))


def has_initialised_the_driver(connection: Connection) -> None:
    gpu = factories.environment("a forked one's GPU" if is_forked() else "NVIDIA T4")
    say(connection, "initialised", Probe(environment=gpu))


def asks_the_gpu_only_if_spawned(connection: Connection) -> None:
    """What a fork would find after its first word, nobody waits for."""
    connection.send_bytes(Loaded(driver="loaded").model_dump_json().encode())
    if is_forked():
        time.sleep(600)
    probe = Probe(environment=factories.environment("NVIDIA T4"))
    connection.send_bytes(probe.model_dump_json().encode())


def gets_an_answer_only_if_spawned(connection: Connection) -> None:
    if is_forked():
        say(connection, "loaded", Probe(environment=None, trouble="initialization error"))
    else:
        say(connection, "absent", Probe(environment=factories.environment("NVIDIA T4")))


def test_a_gpu_that_torch_cannot_use_is_told_in_the_words_of_torch_and_no_traceback() -> None:
    with pytest.raises(ProbeError) as caught:
        Nursery(SPAWN).probe(sees_a_gpu_that_torch_cannot_use)
    said = str(caught.value)
    assert said.startswith("torch cannot use the GPU of this machine: The NVIDIA driver")
    assert "too old (found version 11040). Please update" in said
    assert "\n" not in said


def test_a_lost_gpu_is_not_said_to_be_a_matter_of_the_environment() -> None:
    with pytest.raises(ProbeError) as caught:
        Nursery(SPAWN).probe(sees_a_gpu_that_is_lost)
    assert str(caught.value).startswith(
        "torch cannot use the GPU of this machine: CUDA unknown error. If it could before, restart "
    )


@pytest.mark.parametrize(
    ("wish", "describe", "start"),
    [
        ("auto", has_loaded_the_driver, "spawn"),
        ("fork", has_loaded_the_driver, "fork"),
        ("spawn", has_loaded_the_driver, "spawn"),
        ("auto", asks_the_gpu_only_if_spawned, "spawn"),
        ("auto", has_initialised_the_driver, "spawn"),
        ("fork", has_initialised_the_driver, "spawn"),
        ("fork", gets_an_answer_only_if_spawned, "spawn"),
    ],
)
def test_processes_are_forked_only_where_the_driver_and_the_plan_allow_it(
    nursery: Nursery, wish: CaseProcesses, describe: Callable[[Connection], None], start: str
) -> None:
    another = Nursery(nursery.context, wish)
    environment = another.probe(describe)
    assert environment.process_start == another.start == start
    assert environment.device.name == ("NVIDIA T4" if start == "spawn" else "a forked one's GPU")


def test_a_gpu_that_hangs_in_a_forked_process_makes_all_others_start_anew(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "ANSWER_LIMIT_S", 2.0)
    another = Nursery(nursery.context, "fork")
    assert another.probe(asks_the_gpu_only_if_spawned).device.name == "NVIDIA T4"
    assert another.start == "spawn"


def test_this_machine_is_described_with_the_way_its_processes_start(nursery: Nursery) -> None:
    environment = Nursery(nursery.context).probe()
    assert environment.process_start == ("spawn" if environment.device.type == "cuda" else "fork")

"""Processes that are spawned from nothing: the way taken where forking could break CUDA."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from harness.child import Nursery, ProbeError
from harness.records import Measurement, Record
from harness.worker import Probe
from tests import factories
from tests.integration.conftest import job
from tests.integration.running import tiny


def test_a_spawned_process_measures_a_case_as_a_forked_one_does(tmp_path: Path) -> None:
    plan = tiny()
    heard: list[Record] = []
    nursery = Nursery(multiprocessing.get_context("spawn"))
    result = nursery.run_case(job(plan, plan.cases()[0], tmp_path), heard.append)
    assert isinstance(result, Measurement), result
    assert [record.kind for record in heard] == ["case_started"] * 5


OLD_DRIVER = "The NVIDIA driver on your system is too old (found version 11040).\nPlease update it."
SPAWN = multiprocessing.get_context("spawn")


def sees_a_gpu_that_torch_cannot_use(connection: Connection) -> None:
    probe = Probe(environment=None, driver_loaded=False, trouble=OLD_DRIVER)
    connection.send_bytes(probe.model_dump_json().encode())


def sees_a_gpu_only_if_spawned(connection: Connection) -> None:
    """A process forked from one that has loaded the driver may find a CPU."""
    parent = multiprocessing.parent_process()
    spawned = parent is not None and parent.pid == os.getppid()  # else the fork server's child
    environment = factories.environment("NVIDIA T4" if spawned else "no GPU")
    probe = Probe(environment=environment, driver_loaded=True)
    connection.send_bytes(probe.model_dump_json().encode())


def test_a_gpu_that_torch_cannot_use_is_told_in_the_words_of_torch_and_no_traceback() -> None:
    with pytest.raises(ProbeError) as caught:
        Nursery(SPAWN).probe(sees_a_gpu_that_torch_cannot_use)
    said = str(caught.value)
    assert said.startswith("torch cannot use the GPU of this machine: The NVIDIA driver")
    assert "too old (found version 11040). Please update" in said
    assert "\n" not in said


def test_where_forking_can_break_cuda_a_spawned_process_says_what_there_is(
    nursery: Nursery,
) -> None:
    another = Nursery(nursery.context)
    assert another.probe(sees_a_gpu_only_if_spawned).device.name == "NVIDIA T4"
    assert another.context.get_start_method() == "spawn"

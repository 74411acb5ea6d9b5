"""Processes that are spawned from nothing: the way taken where forking could break CUDA."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from harness.child import Nursery
from harness.records import Measurement, Record
from tests.integration.conftest import job
from tests.integration.running import tiny


def test_a_spawned_process_measures_a_case_as_a_forked_one_does(tmp_path: Path) -> None:
    plan = tiny()
    heard: list[Record] = []
    nursery = Nursery(multiprocessing.get_context("spawn"))
    result = nursery.run_case(job(plan, plan.cases()[0], tmp_path), heard.append)
    assert isinstance(result, Measurement), result
    assert [record.kind for record in heard] == ["case_started"] * 5

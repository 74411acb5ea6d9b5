"""Processes that are spawned from nothing: the way taken where forking could break CUDA."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from PIL import Image

from harness.child import Nursery
from harness.records import Measurement, Record
from harness.worker import Job
from tests.integration.test_harness import tiny


def test_a_spawned_process_measures_a_case_as_a_forked_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    Image.effect_noise((64, 64), 60).convert("RGB").save(tmp_path / "picture.png")
    plan = tiny()
    job = Job(
        plan=plan,
        case=plan.cases()[0],
        picture_path=str(tmp_path / "picture.png"),
        cache_folder=str(tmp_path),
        spawned_s=time.monotonic(),
    )
    heard: list[Record] = []
    nursery = Nursery(multiprocessing.get_context("spawn"))
    result = nursery.run_case(job, heard.append)
    assert isinstance(result, Measurement), result
    assert [record.kind for record in heard] == ["case_started"] * 5

"""One fork server for all tests of a process that need a single case: its start costs seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness.child import Nursery
from harness.plan import Case, Plan
from harness.records import Failure, Measurement
from harness.worker import Job

RunCase = Callable[[Plan, Case], Measurement | Failure]


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    return Nursery()


@pytest.fixture
def run_case(nursery: Nursery, tmp_path: Path) -> RunCase:
    """Measure one case of a plan in a process of its own."""

    def run(plan: Plan, case: Case) -> Measurement | Failure:
        return nursery.run_case(job(plan, case, tmp_path), lambda _: None)

    return run


def job(plan: Plan, case: Case, folder: Path) -> Job:
    """What a supervisor hands to the process of a case."""
    picture = folder / "picture.png"
    Image.effect_noise((64, 64), 60).convert("RGB").save(picture)
    return Job(
        plan=plan,
        case=case,
        picture_path=str(picture),
        cache_folder=str(folder),
        spawned_s=time.monotonic(),
    )

"""One fork server for all tests of a process that need a single case: its start costs seconds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness import supervisor
from harness.channel import Channel
from harness.child import Nursery
from harness.contract.plan import Case, CaseAttempt, Plan
from harness.contract.records import Failure, Measurement, Record, read_record
from harness.limits import Limits
from harness.worker import Job
from tests.integration.running import Listener

RunCase = Callable[[Plan, Case], Measurement | Failure]
Supervise = Callable[..., list[Record]]


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    return Nursery()


@pytest.fixture
def run_case(nursery: Nursery, tmp_path: Path) -> RunCase:
    """Measure one case of a plan in a process of its own."""

    def run(plan: Plan, case: Case) -> Measurement | Failure:
        return nursery.run_case(job(plan, CaseAttempt(case=case), tmp_path), lambda _: None)

    return run


@pytest.fixture
def supervise(nursery: Nursery) -> Supervise:
    """All records of a plan, by a supervisor in this process; `listen` sees each as it comes."""

    def supervise(
        plan: Plan, listen: Listener = lambda _: None, limits: Limits | None = None
    ) -> list[Record]:
        reader, writer = os.pipe()
        found: list[Record] = []

        def read() -> None:
            with os.fdopen(reader, "rb") as lines:
                for line in lines:
                    found.append(read_record(line))
                    listen(found[-1])

        reading = threading.Thread(target=read)
        reading.start()
        try:
            supervisor.run(plan, Channel(writer), limits, nursery)
        finally:
            os.close(writer)
            reading.join()
        return found

    return supervise


def job(plan: Plan, attempt: CaseAttempt, folder: Path) -> Job:
    """What a supervisor hands to the process of a case."""
    picture = folder / "picture.png"
    Image.effect_noise((64, 64), 60).convert("RGB").save(picture)
    return Job(
        plan=plan,
        attempt=attempt,
        picture_path=str(picture),
        cache_folder=str(folder),
        spawned_s=time.monotonic(),
    )

"""A plan in, records out: one fresh process per case, in order, whatever becomes of each.

Loads no torch. Writes every record the moment it exists; keeps no state that a reader would need.
"""

from __future__ import annotations

import datetime
import errno
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from harness import picture
from harness.channel import Channel
from harness.child import DeadlineError, Nursery, ProbeError
from harness.limits import Limits
from harness.plan import Case, Plan
from harness.records import (
    CaseStarted,
    Environment,
    Failure,
    Finished,
    Heartbeat,
    Measurement,
    Record,
    Started,
)
from harness.revision import revision
from harness.vocabulary import Stage
from harness.worker import Job

PICTURE: Final = "picture.png"


def run(plan: Plan, channel: Channel, limits: Limits | None = None) -> int:
    """Measure every case of a plan.

    Returns: 0 when every case was measured, 1 when some were not.
    Raises: BrokenPipeError when nobody reads the records any more.
    """
    limits = limits or Limits()
    with Pulse(channel, plan.protocol.heartbeat_s) as pulse, _work_folder() as folder:
        nursery = Nursery()
        try:
            environment = nursery.probe()
        except ProbeError as error:
            channel.send(Failure(case_id=None, stage=None, reason="load_error", message=str(error)))
            return 1
        if objection := limits.objection(environment):
            channel.send(Failure(case_id=None, stage=None, reason="load_error", message=objection))
            return 1
        announce = Announcer(channel, pulse)
        return _run_cases(plan, environment, folder, nursery, announce, limits)


@dataclass(slots=True)
class Pulse:
    """Sends a heartbeat whenever `interval_s` has passed, from a thread of its own.

    When the reader has gone it ends this process, which takes the running case with it.
    """

    channel: Channel
    interval_s: float
    case_id: str | None = None
    stage: Stage | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self.interval_s):
            try:
                self.channel.send(Heartbeat(case_id=self.case_id, stage=self.stage))
            except OSError:
                os.kill(os.getpid(), signal.SIGTERM)
                return


@dataclass(slots=True)
class Announcer:
    """Passes records on, and keeps the pulse informed of where the run is."""

    channel: Channel
    pulse: Pulse
    measured: int = 0
    failed: int = 0

    def __call__(self, record: Record) -> None:
        match record:
            case CaseStarted():
                self.pulse.case_id, self.pulse.stage = record.case_id, record.stage
            case Measurement():
                self.measured += 1
            case Failure():
                self.failed += 1
            case _:
                pass
        self.channel.send(record)


def _run_cases(
    plan: Plan,
    environment: Environment,
    folder: Path,
    nursery: Nursery,
    announce: Announcer,
    limits: Limits,
) -> int:
    cases = plan.cases()
    trouble = ""
    try:
        obtained = picture.obtain(plan.picture, _picture_cache())
        obtained.image.save(folder / PICTURE)
        description = obtained.description
    except picture.PictureError as error:
        description = trouble = str(error)
    announce(
        Started(
            plan_id=plan.plan_id,
            harness_revision=revision(),
            started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            environment=environment,
            picture=description,
            case_ids=tuple(case.case_id for case in cases),
        )
    )
    for case in cases:
        if time.monotonic() >= limits.deadline_s:
            announce(limits.passed(None, None))
            return 1
        if trouble:
            announce(_not_loaded(case, trouble))
        else:
            announce(_run_case(plan, case, folder, nursery, announce, limits))
    announce(Finished(plan_id=plan.plan_id, measured=announce.measured, failed=announce.failed))
    return 0 if announce.failed == 0 else 1


def _run_case(
    plan: Plan,
    case: Case,
    folder: Path,
    nursery: Nursery,
    announce: Announcer,
    limits: Limits,
) -> Measurement | Failure:
    caches = folder / "caches"
    job = Job(
        plan=plan,
        case=case,
        picture_path=str(folder / PICTURE),
        cache_folder=str(caches),
        spawned_s=time.monotonic(),
    )
    try:
        caches.mkdir()
        return nursery.run_case(job, announce, limits.deadline_s)
    except DeadlineError as error:
        return limits.passed(case.case_id, error.stage)
    except OSError as error:
        return Failure(
            case_id=case.case_id,
            stage="build",
            reason="out_of_disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "error",
            message=f"the case could not be started: {error}",
        )
    finally:
        shutil.rmtree(caches, ignore_errors=True)


def _not_loaded(case: Case, trouble: str) -> Failure:
    return Failure(case_id=case.case_id, stage="build", reason="load_error", message=trouble)


@contextmanager
def _work_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="torch-compile-benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _picture_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "torch-compile-benchmark"

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

from harness.channel import Channel
from harness.child import DeadlineError, Nursery, ProbeError
from harness.contract.plan import CaseAttempt, Plan
from harness.contract.records import (
    CaseStarted,
    Device,
    Environment,
    Failure,
    Finished,
    Heartbeat,
    Measurement,
    Record,
    Started,
)
from harness.contract.revision import revision
from harness.contract.vocabulary import MAX_TRACEBACK_CHARACTERS, Reason, Stage
from harness.devices import architectures
from harness.limits import Limits
from harness.models import picture
from harness.worker import Job

PICTURE: Final = "picture.png"
# What a case fails with whatever becomes of its GPU; all else may come from a GPU that is gone.
_NOT_OF_THE_GPU: Final[frozenset[Reason]] = frozenset({"load_error", "out_of_disk", "unsupported"})
_MAX_MESSAGE_CHARACTERS: Final = 4000


def run(
    plan: Plan, channel: Channel, limits: Limits | None = None, nursery: Nursery | None = None
) -> int:
    """Measure every case of a plan.

    Args:
        nursery: starts the processes; by default a new one, which loads the libraries first.
    Returns: 0 when every case was measured, 1 when some were not.
    Raises: BrokenPipeError when nobody reads the records any more.
    """
    limits = limits or Limits()
    with Pulse(channel, plan.protocol.heartbeat_s) as pulse, _work_folder() as folder:
        nursery = nursery or Nursery(wish=plan.protocol.case_processes)
        try:
            environment = nursery.probe()
        except ProbeError as error:
            channel.send(Failure(case_id=None, stage=None, reason="load_error", message=str(error)))
            return 1
        if complaint := architectures.unfit(environment):
            channel.send(Failure(case_id=None, stage=None, reason="unsupported", message=complaint))
            return 1
        if objection := limits.objection(environment):
            channel.send(Failure(case_id=None, stage=None, reason="load_error", message=objection))
            return 1
        return _run_cases(
            plan,
            environment,
            Site(folder, nursery, limits, environment.device),
            Announcer(channel, pulse),
        )


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


@dataclass(frozen=True, slots=True)
class Site:
    """Where cases run: a folder that goes with the run, what starts processes, what ends them, and
    the processor that the run began on."""

    folder: Path
    nursery: Nursery
    limits: Limits
    device: Device

    @property
    def gpu_uuid(self) -> str:
        """Empty for a CPU."""
        return self.device.uuid or ""


def _run_cases(
    plan: Plan,
    environment: Environment,
    site: Site,
    announce: Announcer,
) -> int:
    attempts = plan.attempts()
    trouble = ""
    try:
        obtained = picture.obtain(plan.picture, _picture_cache())
        obtained.image.save(site.folder / PICTURE)
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
            case_ids=tuple(attempt.case_id for attempt in attempts),
        )
    )
    flops: dict[str, int] = {}
    for attempt in attempts:
        if time.monotonic() >= site.limits.deadline_s:
            announce(site.limits.passed(None, None))
            return 1
        if trouble:
            announce(_not_loaded(attempt, trouble))
            continue
        result = _run_case(plan, attempt, site, announce, flops.get(attempt.case.model))
        if lost := _gpu_lost(site, result):
            announce(lost)
            return 1
        if isinstance(result, Measurement) and result.facts.flops_per_image is not None:
            flops[attempt.case.model] = result.facts.flops_per_image
        announce(result)
    announce(Finished(plan_id=plan.plan_id, measured=announce.measured, failed=announce.failed))
    return 0 if announce.failed == 0 else 1


def _run_case(
    plan: Plan,
    attempt: CaseAttempt,
    site: Site,
    announce: Announcer,
    flops_per_image: int | None,
) -> Measurement | Failure:
    caches = site.folder / "caches"
    job = Job(
        plan=plan,
        attempt=attempt,
        picture_path=str(site.folder / PICTURE),
        cache_folder=str(caches),
        spawned_s=time.monotonic(),
        gpu_uuid=site.gpu_uuid,
        flops_per_image=flops_per_image,
    )
    try:
        caches.mkdir()
        result = site.nursery.run_case(job, announce, site.limits.deadline_s)
        return _with_warm_start(result, job, site.nursery)
    except DeadlineError as error:
        return site.limits.passed(attempt.case_id, error.stage)
    except OSError as error:
        return Failure(
            case_id=attempt.case_id,
            stage="build",
            reason="out_of_disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "error",
            message=f"the case could not be started: {error}",
        )
    finally:
        shutil.rmtree(caches, ignore_errors=True)


def _gpu_lost(site: Site, result: Measurement | Failure) -> Failure | None:
    """One failure of the host in the place of the case's, where a case failed for no reason of its
    own and the GPU does not answer a new process either; None otherwise.

    A GPU that falls off the bus, or whose driver was replaced, fails every case that is left. They
    are not tried, so that a run that is resumed measures them, and this one among them.
    """
    if not isinstance(result, Failure) or result.reason in _NOT_OF_THE_GPU:
        return None
    if not site.gpu_uuid or time.monotonic() >= site.limits.deadline_s:
        return None
    trouble = site.nursery.trouble_of(site.gpu_uuid)
    if not trouble:
        return None
    said = f"The case failed with: {result.message}\n{result.traceback}"
    return Failure(
        case_id=None,
        stage=result.stage,
        reason="host_unavailable",
        message=(
            f"the GPU stopped answering while {result.case_id} was measured ({site.device.name}, "
            f"{site.gpu_uuid}): {trouble}. The kernel's log may tell more (dmesg, lines with Xid); "
            "restart the machine or its container, then resume the run: what is left was not tried"
        )[:_MAX_MESSAGE_CHARACTERS],
        traceback=said[:MAX_TRACEBACK_CHARACTERS],
    )


def _with_warm_start(
    result: Measurement | Failure, job: Job, nursery: Nursery
) -> Measurement | Failure:
    """Add the first compiled call of a second process, if that was asked for."""
    if isinstance(result, Failure) or job.attempt.case.is_a_a:
        return result
    if not job.plan.protocol.warm_cache:
        return result
    warm = nursery.start_warm(job)
    trouble = (f"no warm start: {warm.trouble}",) if warm.trouble else ()
    notes = (*result.notes, *trouble)
    return result.model_copy(update={"warm_first_call_s": warm.first_call_s, "notes": notes})


def _not_loaded(attempt: CaseAttempt, trouble: str) -> Failure:
    return Failure(case_id=attempt.case_id, stage="build", reason="load_error", message=trouble)


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

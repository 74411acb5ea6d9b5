"""The process of one case: what the supervisor starts, and what that process does.

Imports torch only inside functions: the supervisor loads this module to name its targets.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Literal, TypeAlias

from harness.contract.plan import CaseAttempt, Plan
from harness.contract.records import Environment, Record, write_line
from harness.contract.visible_gpus import VARIABLE, hides_every_gpu
from harness.contract.vocabulary import Strict
from harness.measure.stages import Stages

# Loaded once by the fork server; a case forked from it starts with all of it in place.
PRELOAD: Final = ("harness.measure.case",)
PROCESS_NAME: Final = b"harness-case"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_MAPS: Final = Path("/proc/self/maps")
_DESCRIPTORS: Final = Path("/proc/self/fd")
# What the driver opens when it is initialised; the second is that of Windows' subsystem for Linux.
_DEVICE_FILES: Final = ("/dev/nvidia", "/dev/dxg")

Driver: TypeAlias = Literal["absent", "loaded", "initialised"]


class Job(Strict):
    """What the supervisor hands to a worker. `spawned_s` is on the system's monotonic clock;
    compilers' caches go to `cache_folder`, which is empty. `gpu_uuid` is that of the GPU which the
    run began on, empty for a CPU. `flops_per_image` is that of the model, once another case has
    counted it."""

    plan: Plan
    attempt: CaseAttempt
    picture_path: str
    cache_folder: str
    spawned_s: float
    gpu_uuid: str = ""
    flops_per_image: int | None = None


class WarmStart(Strict):
    """The first compiled call of a second process, in seconds; or why there was none."""

    first_call_s: float | None
    trouble: str = ""


class Loaded(Strict):
    """The first word of a process that looks at the machine: what it has of the CUDA driver before
    anybody in it asked for a GPU. A forked process has what its parent had.

    A driver that is only loaded may be forked with; forking an initialised one breaks CUDA in the
    child. Loading is common: cuBLASLt opens the driver when it is loaded itself.
    """

    driver: Driver


class Probe(Strict):
    """What a first process found, once the GPU has answered it; or what torch said where the GPU
    cannot be used."""

    environment: Environment | None
    trouble: str = ""


class Answer(Strict):
    """Whether the GPU still does what it is told: empty, or what torch said instead."""

    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Pipe:
    """Sends records to the supervisor."""

    connection: Connection

    def send(self, record: Record) -> None:
        self.connection.send_bytes(write_line(record).encode())


def measure(connection: Connection, job_json: str) -> None:
    """Measure one case and send its stages, then its Measurement or its Failure."""
    job = _take_up(job_json)
    pipe = Pipe(connection)
    stages = Stages(job.attempt.case_id, pipe)
    try:
        with stages.enter("build"):
            from harness.measure import case

            start_up_s = time.monotonic() - job.spawned_s
            prepared = case.build(job.plan, job.attempt, job.picture_path, job.gpu_uuid)
        pipe.send(case.measure(prepared, stages, start_up_s, job.flops_per_image))
    except Exception as error:  # noqa: BLE001  the one place that turns whatever happened into a record
        from harness.measure.failures import failure

        pipe.send(failure(job.attempt.case_id, stages.current, error))


def start_warm(connection: Connection, job_json: str) -> None:
    """Compile a measured case again, in this new process but with its caches; send a WarmStart."""
    job = _take_up(job_json)
    try:
        from harness.measure import case

        prepared = case.build(job.plan, job.attempt, job.picture_path, job.gpu_uuid)
        warm = WarmStart(first_call_s=case.compile_again(prepared))
    except Exception as error:  # noqa: BLE001  as in `measure`
        warm = WarmStart(first_call_s=None, trouble=f"{type(error).__name__}: {error}"[:500])
    connection.send_bytes(warm.model_dump_json().encode())


def describe(connection: Connection) -> None:
    """Send what this process has Loaded, then a Probe of this machine."""
    _settle()
    connection.send_bytes(Loaded(driver=_driver()).model_dump_json().encode())
    from harness.devices import architectures, environment, presence

    try:
        found = environment.describe()
        if not architectures.unfit(found):  # that is told in better words than torch has
            presence.require_answer(found.device.uuid or "")
        probe = Probe(environment=found)
    except RuntimeError as error:  # of torch.cuda: there is a GPU, but not for this process
        probe = Probe(environment=None, trouble=str(error))
    connection.send_bytes(probe.model_dump_json().encode())


def answer(connection: Connection, gpu_uuid: str) -> None:
    """Let the GPU do a little work, and send an Answer."""
    _settle()
    from harness.devices import presence

    try:
        presence.require_answer(gpu_uuid)
        told = Answer()
    except RuntimeError as error:
        told = Answer(trouble=str(error) or type(error).__name__)
    connection.send_bytes(told.model_dump_json().encode())


def _driver() -> Driver:
    """What this process has of the CUDA driver, without asking the driver. One to which every GPU
    is hidden may be loaded and does no harm."""
    if not _MAPS.exists() or hides_every_gpu(os.environ.get(VARIABLE)):
        return "absent"
    for descriptor in _DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):  # the one that lists the folder is closed already
            if any(device in str(descriptor.readlink()) for device in _DEVICE_FILES):
                return "initialised"
    return "loaded" if "libcuda.so" in _MAPS.read_text(errors="replace") else "absent"


def _take_up(job_json: str) -> Job:
    """Settle, and keep what the compilers cache in the folder of the job."""
    _settle()
    job = Job.model_validate_json(job_json)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(job.cache_folder) / "inductor")
    os.environ["TRITON_CACHE_DIR"] = str(Path(job.cache_folder) / "triton")
    return job


def _settle() -> None:
    """Lead a process group, so that compilers die with the case; on Linux die with the parent,
    however it dies, and be recognisable in a list of processes."""
    with contextlib.suppress(PermissionError):  # a spawned process may lead one already
        os.setsid()
    faulthandler.enable()
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(_PR_SET_NAME, PROCESS_NAME)

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
from typing import Final

from harness.plan import Case, Plan
from harness.records import Environment, Record, write_line
from harness.stages import Stages
from harness.vocabulary import Strict

# Loaded once by the fork server; a case forked from it starts with all of it in place.
PRELOAD: Final = ("harness.case",)
PROCESS_NAME: Final = b"harness-case"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_MAPS: Final = Path("/proc/self/maps")


class Job(Strict):
    """What the supervisor hands to a worker. `spawned_s` is on the system's monotonic clock;
    compilers' caches go to `cache_folder`, which is empty. `flops_per_image` is that of the model,
    once another case has counted it."""

    plan: Plan
    case: Case
    picture_path: str
    cache_folder: str
    spawned_s: float
    flops_per_image: int | None = None


class WarmStart(Strict):
    """The first compiled call of a second process, in seconds; or why there was none."""

    first_call_s: float | None
    trouble: str = ""


class Probe(Strict):
    """What a first process found, or what torch said where it could not use the GPU.

    `driver_loaded` says that the CUDA driver was in the process before anybody asked for a GPU:
    forking such a process breaks CUDA in the child."""

    environment: Environment | None
    driver_loaded: bool
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
    stages = Stages(job.case.case_id, pipe)
    try:
        with stages.enter("build"):
            from harness import case

            start_up_s = time.monotonic() - job.spawned_s
            prepared = case.build(job.plan, job.case, job.picture_path)
        pipe.send(case.measure(prepared, stages, start_up_s, job.flops_per_image))
    except Exception as error:  # noqa: BLE001  the one place that turns whatever happened into a record
        from harness.failures import failure

        pipe.send(failure(job.case.case_id, stages.current, error))


def start_warm(connection: Connection, job_json: str) -> None:
    """Compile a measured case again, in this new process but with its caches; send a WarmStart."""
    job = _take_up(job_json)
    try:
        from harness import case

        prepared = case.build(job.plan, job.case, job.picture_path)
        warm = WarmStart(first_call_s=case.compile_again(prepared))
    except Exception as error:  # noqa: BLE001  as in `measure`
        warm = WarmStart(first_call_s=None, trouble=f"{type(error).__name__}: {error}"[:500])
    connection.send_bytes(warm.model_dump_json().encode())


def describe(connection: Connection) -> None:
    """Send a Probe of this machine."""
    _settle()
    driver_loaded = _MAPS.exists() and "libcuda.so" in _MAPS.read_text(errors="replace")
    from harness import environment

    try:
        probe = Probe(environment=environment.describe(), driver_loaded=driver_loaded)
    except RuntimeError as error:  # of torch.cuda, which sees a GPU but not through this driver
        probe = Probe(environment=None, driver_loaded=driver_loaded, trouble=str(error))
    connection.send_bytes(probe.model_dump_json().encode())


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

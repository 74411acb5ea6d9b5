"""A process of its own for each case: started, listened to, and gone when this module returns.

Processes are forked from a server that has loaded the libraries and touched no device (Python's
own `forkserver`): a case then starts in a tenth of a second instead of in ten. Where the CUDA
driver has been initialised by loading them, processes are spawned from nothing instead, because
CUDA does not survive a fork. Where it has only been loaded, a fork should do; no real GPU has shown
that yet, so it is done on request alone, and only once the GPU has answered a forked process.

The caller blocks on a pipe: a supervisor that polled would take a core from a launch-bound model.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Final, TypeAlias

from harness import processes, worker
from harness.contract.records import (
    CaseStarted,
    Environment,
    Failure,
    Measurement,
    Record,
    read_record,
)
from harness.contract.vocabulary import CaseProcesses, ProcessStart, Reason, Stage
from harness.worker import Answer, Driver, Job, Loaded, Probe, WarmStart

Listener: TypeAlias = Callable[[Record], None]
Target: TypeAlias = Callable[..., None]

LOADING_LIMIT_S: Final = 300.0
# A GPU without persistence mode takes seconds to wake up; one that hangs never does.
ANSWER_LIMIT_S: Final = 60.0
# Characters of what torch says of a GPU that it cannot use.
MAX_SAID: Final = 500
# c10/cuda/CUDAFunctions.cpp
_GUESS: Final = " - this may be due to an incorrectly set up environment"
_QUIET: Final = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    # Ask NVML instead of CUDA whether there is a GPU, so that merely asking loads no driver.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}


class CaseTimeoutError(Exception):
    """The case exceeded its time limit."""


class DeadlineError(Exception):
    """The time of the whole run was up in this stage of a case."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.stage: Stage = stage


class ProbeError(Exception):
    """The environment could not be read: torch cannot be loaded here, or cannot use the GPU."""


@dataclass(slots=True)
class _Progress:
    """What a case said so far."""

    stage: Stage = "build"
    result: Measurement | Failure | None = None
    complaint: str = ""


def _fork_server() -> BaseContext:
    os.environ.update(_QUIET)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(worker.PRELOAD))
    return context


def _spawning() -> BaseContext:
    os.environ.update(_QUIET)
    return multiprocessing.get_context("spawn")


@dataclass(slots=True)
class Nursery:
    """Starts processes, all in the same way. `wish` is what the plan asks for; which way is taken
    in the end, `probe` finds out."""

    context: BaseContext = field(default_factory=_fork_server)
    wish: CaseProcesses = "auto"

    @property
    def start(self) -> ProcessStart:
        return "spawn" if self.context.get_start_method() == "spawn" else "fork"

    @property
    def _answer_limit_s(self) -> float:
        """How long a process may take until the GPU has answered it; a spawned one loads torch."""
        return ANSWER_LIMIT_S if self.start == "fork" else LOADING_LIMIT_S

    def probe(self, describe: Target = worker.describe) -> Environment:
        """Read the environment, and learn how processes must be started here.

        The first one is forked. Where a fork may meet the driver, it lets the GPU do a little work;
        where it may not, or that fails, all others are spawned from nothing, and the GPU is asked
        by one of those.

        Args:
            describe: what the process does: it sends what it has Loaded, and a Probe.
        Returns: the environment, with the way in which it was decided to start processes.
        Raises: ProbeError.
        """
        environment = self._probed_by_fork(describe) if self.wish != "spawn" else None
        if environment is None:
            self.context = _spawning()
            environment = self._probe(describe)
        return environment.model_copy(update={"process_start": self.start})

    def _probed_by_fork(self, describe: Target) -> Environment | None:
        """What a forked process saw; None, and a line in the log, where none can be used."""
        try:
            return self._probe(describe)
        except ProbeError as error:
            sys.stderr.write(f"each case begins in a new process instead of a fork: {error}\n")
            return None

    def _may_fork(self, driver: Driver) -> bool:
        """Whether a fork may meet the driver in this state; a loaded one on request alone."""
        return driver == "absent" or (driver == "loaded" and self.wish == "fork")

    def _probe(self, describe: Target) -> Environment:
        """What a new process finds. Raises: ProbeError."""
        with self._started(describe) as (process, connection):
            try:
                said = _said(connection, LOADING_LIMIT_S, "starting a process")
                driver = Loaded.model_validate_json(said).driver
                if self.start == "fork" and not self._may_fork(driver):
                    raise ProbeError(f"the CUDA driver is {driver}")
                said = _said(connection, self._answer_limit_s, "loading torch and asking the GPU")
                probe = Probe.model_validate_json(said)
            except EOFError:
                code = processes.exit_code(process)
                raise ProbeError(
                    "torch cannot be loaded here: the process that tried ended with exit code "
                    f"{code}; its traceback is in the log"
                ) from None
        if probe.environment is None:
            raise ProbeError(
                f"torch cannot use the GPU of this machine: {_in_a_line(probe.trouble)}. If it "
                "could before, restart the machine or its container; the kernel's log may tell "
                "more (dmesg, lines with Xid). To measure the CPU instead, set "
                "CUDA_VISIBLE_DEVICES to nothing"
            )
        return probe.environment

    def trouble_of(self, gpu_uuid: str) -> str:
        """Why a GPU does not answer a new process any more; empty where it does."""
        with self._started(worker.answer, gpu_uuid) as (process, connection):
            try:
                said = _said(connection, self._answer_limit_s, "its answer to a new process")
                return _in_a_line(Answer.model_validate_json(said).trouble)
            except ProbeError as error:
                return str(error)
            except EOFError:
                return (
                    f"a process that asked it ended with exit code {processes.exit_code(process)}"
                )

    def run_case(
        self, job: Job, listen: Listener, until_s: float = math.inf
    ) -> Measurement | Failure:
        """Measure one case in a process of its own.

        Args:
            listen: called with every stage transition.
            until_s: when the whole run ends, on the monotonic clock.
        Returns: the result; a process that died or hung yields a Failure.
        Raises: DeadlineError: the run's end came before the case's.
        """
        kills_before = processes.out_of_memory_kills()
        progress = _Progress()
        with self._started(worker.measure, job.model_dump_json()) as (process, connection):
            try:
                deadline_s = time.monotonic() + job.plan.protocol.case_limit_s
                for line in _lines(connection, min(deadline_s, until_s)):
                    _take(line, progress, listen)
                    if progress.result is not None:
                        return progress.result
            except CaseTimeoutError:
                if until_s < deadline_s:
                    raise DeadlineError(progress.stage) from None
                limit_s = job.plan.protocol.case_limit_s
                message = f"killed after {limit_s:.0f} s, the time limit of a case"
                return _failure(job, progress.stage, "timeout", message)
            code = processes.exit_code(process)
        return _died(job, progress, code, processes.out_of_memory_kills() - kills_before)

    def start_warm(self, job: Job) -> WarmStart:
        """Compile the case once more in a process that finds the caches of the first one filled."""
        with self._started(worker.start_warm, job.model_dump_json()) as (process, connection):
            limit_s = job.plan.protocol.case_limit_s
            if not connection.poll(limit_s):
                return WarmStart(first_call_s=None, trouble=f"not within {limit_s:.0f} s")
            try:
                return WarmStart.model_validate_json(connection.recv_bytes())
            except (EOFError, ConnectionResetError):
                code = processes.exit_code(process)
                return WarmStart(first_call_s=None, trouble=f"its process ended with {code}")

    @contextmanager
    def _started(self, target: Target, *arguments: str) -> Iterator[tuple[BaseProcess, Connection]]:
        """A running process and the end of its pipe to read from; both gone afterwards."""
        reader, writer = self.context.Pipe(duplex=False)
        process = self.context.Process(target=target, args=(writer, *arguments))  # type: ignore[attr-defined]
        try:
            process.start()
            writer.close()  # else the pipe would not end with the process
            yield process, reader
        finally:
            processes.kill_group(process)
            reader.close()


def _in_a_line(said_by_torch: str) -> str:
    """Without what torch guesses of an unknown error, the wrong cause where a GPU is lost."""
    text = " ".join(said_by_torch.split()).partition(_GUESS)[0]
    return text[:MAX_SAID].rstrip(".")


def _said(connection: Connection, limit_s: float, what: str) -> bytes:
    """The next message. Raises: ProbeError where none comes in time; EOFError."""
    if not connection.poll(limit_s):
        raise ProbeError(f"{what} takes longer than {limit_s:.0f} s")
    try:
        return connection.recv_bytes()
    except ConnectionResetError:
        raise EOFError from None


def _lines(connection: Connection, deadline_s: float) -> Iterator[bytes]:
    """Messages until the pipe ends. Raises: CaseTimeoutError at the deadline."""
    while True:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not connection.poll(left_s):
            raise CaseTimeoutError
        try:
            yield connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            return


def _take(line: bytes, progress: _Progress, listen: Listener) -> None:
    try:
        record = read_record(line)
    except ValueError as error:
        progress.complaint = f"; it sent something that is no record: {str(error).splitlines()[0]}"
        return
    match record:
        case CaseStarted():
            progress.stage = record.stage
            listen(record)
        case Measurement() | Failure():
            progress.result = record
        case _:
            progress.complaint = f"; it sent an unexpected {record.kind}"


def _died(job: Job, progress: _Progress, code: int | None, kills: int) -> Failure:
    if code == -signal.SIGKILL and kills > 0:
        message = "the kernel killed the process because the machine ran out of memory"
        return _failure(job, progress.stage, "oom", message)
    if code is not None and code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
    else:
        how = f"ended with exit code {code}"
    message = f"the process of the case {how} without a result{progress.complaint}"
    return _failure(job, progress.stage, "crash", message)


def _failure(job: Job, stage: Stage, reason: Reason, message: str) -> Failure:
    return Failure(case_id=job.attempt.case_id, stage=stage, reason=reason, message=message)

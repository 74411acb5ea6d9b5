"""One crash: a real desk process on a real run folder, ended by SIGKILL at a point told by a seed.

The desk is forked, so that a crash costs a twentieth of a second; it has two hosts whose harness
is a shell that plays a stream of records for whatever plan it is given. Half of the crashes come
at a byte of that stream (the shell kills the desk), half at a moment (this process does). A desk
that takes up the run again is killed as well, until the seed lets one finish.
"""

from __future__ import annotations

import datetime
import os
import random
import signal
import subprocess
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.contract.plan import Plan
from harness.contract.records import CaseStarted, Finished, Measurement, Record
from orchestrator.cli.progress import NoProgress
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import Say
from orchestrator.hosts.local import LocalSession
from orchestrator.publish import rendering
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_host import lines

HOSTS: Final = ("alpha", "beta")
CASES: Final = tuple(
    factories.case(model, batch_size)
    for model in ("resnet-50", "vit-base", "detr")
    for batch_size in (1, 4)
)
PLAN: Final = factories.plan(CASES)
NOW: Final = datetime.datetime(2026, 11, 24, 4, 15, tzinfo=datetime.UTC)
# A desk that takes longer has stopped, not crashed.
LIMIT_S: Final = 60.0
# The shell says in pieces what it has to say, so that a crash finds the desk at every step.
_PLAY: Final = """\
n=0
while [ $n -lt {end} ]; do
  head -c $((n + {piece})) {stream} | tail -c +$((n + 1)) || exit 1
  n=$((n + {piece})); sleep {pause_s}
done
"""
_KILL: Final = "head -c {offset} {stream}; sleep {pause_s}; kill -9 {desk}; cat {stream}"


def stream_of(plan: Plan) -> bytes:
    """What a harness would say that measures a plan without trouble."""
    cases = [attempt.case for attempt in plan.attempts()]
    records: list[Record] = [factories.started(cases, plan_id=plan.plan_id)]
    for case in cases:
        records.append(CaseStarted(case_id=case.case_id, stage="build"))
        records.append(factories.measurement(case, blocks=4, calls=3))
    records.append(Finished(plan_id=plan.plan_id, measured=len(cases), failed=0))
    return lines(*records)


@dataclass(frozen=True, eq=False)
class PlayedHost:
    """A host whose harness is a shell; `kill_at` is the share of its stream at which it kills the
    desk, if it is to."""

    name: str
    folder: Path
    kill_at: float | None
    pause_s: float

    def check(self, plan: Plan) -> None:
        """It can measure anything."""

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> LocalSession:
        say("starting")
        stream = stream_of(plan)
        path = self.folder / f"{attempt.name}.stream"
        path.write_bytes(stream)
        script = _PLAY.format(end=len(stream), piece=4096, stream=path, pause_s=self.pause_s)
        if self.kill_at is not None:
            script = _KILL.format(
                offset=int(self.kill_at * len(stream)), stream=path, pause_s=self.pause_s,
                desk=os.getpid(),
            )  # fmt: skip
        with attempt.log.open("ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", script], stdout=subprocess.PIPE, stderr=log, bufsize=0,
                start_new_session=True,
            )  # fmt: skip
        return LocalSession(process, attempt.log)


@dataclass(frozen=True, slots=True)
class Crash:
    """When one desk is killed: at a share of the first host's stream, or so long after its start.
    Neither: it may finish."""

    at_byte: float | None = None
    after_s: float | None = None
    pause_s: float = 0.0

    def __str__(self) -> str:
        if self.at_byte is not None:
            return f"at {self.at_byte:.1%} of the stream"
        return "never" if self.after_s is None else f"after {self.after_s * 1000:.0f} ms"


def crashes(seed: int, typical_s: float) -> tuple[Crash, ...]:
    """The crashes of a seed: up to three, each of the desk that took over from the one before."""
    chance = random.Random(seed)
    killed = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        pause_s = chance.choice((0.0, 0.001, 0.01))
        if chance.random() < 0.5:
            killed.append(Crash(at_byte=chance.random(), pause_s=pause_s))
        else:
            killed.append(Crash(after_s=chance.uniform(0, typical_s), pause_s=pause_s))
    return (*killed, Crash())


@dataclass(frozen=True, slots=True)
class Survived:
    """What a seed did, and how often the folder was read while it did."""

    crashes: Sequence[Crash]
    killed: int
    readings: int


def survive(seed: int, output: Path, typical_s: float = 0.3) -> Survived:
    """Crash and go on, then hold the run against its plan. Raises: AssertionError."""
    folder = RunFolder.create(output, PLAN, HOSTS, "python orchestrate.py", NOW)
    planned = crashes(seed, typical_s)
    killed = readings = 0
    for crash in planned:
        ended, read = _watched(_desk(folder, output, crash), folder, crash)
        killed += ended == -signal.SIGKILL
        readings += read
    assert ended == 0, f"the last desk ended with {ended}"
    require_complete(folder)
    return Survived(planned, killed, readings)


def _desk(folder: RunFolder, output: Path, crash: Crash) -> int:
    """Start a desk. Returns: its process."""

    def measure() -> None:
        hosts = [
            PlayedHost(name, output, crash.at_byte if name == HOSTS[0] else None, crash.pause_s)
            for name in HOSTS
        ]
        with folder.held():
            Run.of(folder).measure(hosts, NoProgress())
        rendering.render(folder)

    return forked(measure)


def forked(work: Callable[[], object]) -> int:
    """Do something in a process of its own. Returns: that process, which ends with 0 or 70."""
    with warnings.catch_warnings():
        # Another thread may hold a lock at this moment; none that the work needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = 70
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001  nothing of the process that was forked may run here
        os.write(2, traceback.format_exc().encode())
    os._exit(code)


def _watched(desk: int, folder: RunFolder, crash: Crash) -> tuple[int, int]:
    """Read the folder again and again while a desk lives, then kill it when its time has come.

    Returns: how it ended, and how often the folder was read.
    """
    start_s, readings, known = time.monotonic(), 0, 0
    while True:
        process, status = os.waitpid(desk, os.WNOHANG)
        if process:
            return os.waitstatus_to_exitcode(status), readings
        found = sum(len(outcome.measurements) for outcome in folder.outcomes())
        assert found >= known, "a result was lost"
        known, readings = found, readings + 1
        age_s = time.monotonic() - start_s
        if age_s > (LIMIT_S if crash.after_s is None else crash.after_s):
            os.kill(desk, signal.SIGKILL)
        time.sleep(0.001)


def require_complete(folder: RunFolder) -> None:
    """Every planned case measured on every host, each once, and every file readable."""
    planned = {case.case_id for case in PLAN.attempts()}
    for outcome in folder.outcomes():
        assert outcome.measurements.keys() == planned, outcome.host
        assert not outcome.failures, outcome.failures
        assert not outcome.refused, outcome.refused
        seen = [
            record.case_id
            for attempt in folder.attempts(outcome.host).values()
            for record in attempt.records
            if isinstance(record, Measurement)
        ]
        assert sorted(seen) == sorted(planned), f"{outcome.host}: a case was measured twice"
    assert not list((folder.path / "records").glob(".lock*"))
    assert not list(folder.path.glob(".*.*")), "a temporary file was left"
    assert (folder.path / "report.html").read_text().rstrip().endswith("</html>")

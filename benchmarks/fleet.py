"""Sixty-four hosts at once through the real orchestrator: does it keep up, and what does it take?

Each host replays 144 cases, of 300 samples a variant, at a pace of its own. What is measured is a
process that does nothing else: threads, record files on disk, the live view of a small terminal.
"""

from __future__ import annotations

import datetime
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final, get_args

from rich.console import Console
from rich.live import Live

from harness.contract import catalogue
from harness.contract.plan import Case, Plan
from harness.contract.recipes import MODES
from harness.contract.records import CaseStarted, Finished, Record
from harness.contract.vocabulary import Stage
from orchestrator.cli.host_state import HostState
from orchestrator.cli.progress import LiveProgress
from orchestrator.fleet import fleet
from orchestrator.hosts import Say
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_host import lines

HOSTS: Final = 64
FASTEST_S: Final = 30.0
SLOWEST_S: Final = 60.0
MAX_LATE: Final = 0.10
MAX_MB: Final = 300


@dataclass
class ReplaySession:
    """Gives one part after the other, evenly over `duration_s`."""

    parts: Sequence[bytes]
    duration_s: float
    stopped: threading.Event = field(default_factory=threading.Event)

    def chunks(self) -> Iterator[bytes]:
        start_s = perf_counter()
        for number, part in enumerate(self.parts, start=1):
            due_s = start_s + self.duration_s * number / len(self.parts)
            self.stopped.wait(max(0.0, due_s - perf_counter()))
            yield part

    def stop(self) -> bool:
        self.stopped.set()
        return True

    def detach(self) -> bool:
        return self.stop()

    def recover(self, _seq: int, /) -> bool:
        return False

    def finish(self) -> None:
        pass

    def kill(self) -> bool:
        return self.stop()


@dataclass(eq=False)
class ReplayHost:
    """A host that has measured everything before."""

    name: str
    parts: Sequence[bytes]
    duration_s: float

    def check(self, plan: Plan) -> None:
        pass

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> ReplaySession:  # noqa: ARG002
        say("connecting")
        attempt.log.touch()
        return ReplaySession(self.parts, self.duration_s)


def main() -> None:
    """Measure in a fresh process, so that its memory is nobody else's."""
    subprocess.run([sys.executable, "-m", "benchmarks.fleet"], check=True)


def measure() -> None:
    """Replay, and say how late the last host was and how much memory it took."""
    cases = [
        factories.case(model.name, batch_size, mode)
        for model in catalogue.CATALOGUE
        for mode in MODES[:4]
        for batch_size in (1, 4, 16)
    ]
    plan, parts = factories.plan(cases), lines(*_stream(cases)).splitlines(keepends=True)
    steps = [SLOWEST_S - (SLOWEST_S - FASTEST_S) * n / (HOSTS - 1) for n in range(HOSTS)]
    hosts = [ReplayHost(f"gpu-{number:02}", parts, step) for number, step in enumerate(steps)]
    before_bytes = _peak_bytes()
    with tempfile.TemporaryDirectory() as output:
        names, now = [host.name for host in hosts], datetime.datetime.now(datetime.UTC)
        folder = RunFolder.create(Path(output), plan, names, "benchmark", now)
        start_s = perf_counter()
        _run(hosts, plan, folder)
        wall_s = perf_counter() - start_s
        peak_bytes = _peak_bytes()
        kept = sum(len(outcome.measurements) for outcome in folder.outcomes())
    _report(wall_s, len(parts), (before_bytes, peak_bytes), (kept, HOSTS * len(cases)))


def _run(hosts: Sequence[ReplayHost], plan: Plan, folder: RunFolder) -> None:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        console = Console(file=nowhere, force_terminal=True, width=80, height=24)
        view = LiveProgress({host.name: HostState() for host in hosts}, console)
        with Live(view, console=console, refresh_per_second=4):
            fleet.run(dict.fromkeys(hosts, plan), folder, view)


def _stream(cases: Sequence[Case]) -> Iterator[Record]:
    yield factories.started(cases)
    for case in cases:
        for stage in get_args(Stage):
            yield CaseStarted(case_id=case.case_id, stage=stage)
        yield factories.measurement(case, noise=0.02)
    yield Finished(plan_id=factories.plan(cases).plan_id, measured=len(cases), failed=0)


def _report(
    wall_s: float, records: int, memory_bytes: tuple[float, float], kept: tuple[int, int]
) -> None:
    late = wall_s / SLOWEST_S - 1
    before_mb, peak_mb = (each / 1e6 for each in memory_bytes)
    print(f"{HOSTS} hosts of {records} records, the slowest replay {SLOWEST_S:.0f} s:")
    print(f"  {wall_s:.1f} s, {1 + late:.3f} of that (allowed: {1 + MAX_LATE:.2f})")
    print(
        f"  {peak_mb:.0f} MB at most (allowed: {MAX_MB}), {before_mb:.0f} before the first record"
    )
    print(f"  {kept[0]} of {kept[1]} measurements on disk")
    print(f"  {_peak_bytes() / 1e6:.0f} MB with all of them in memory, as for the page")
    if late > MAX_LATE or peak_mb > MAX_MB or kept[0] != kept[1]:
        sys.exit("too slow, too large, or something was lost")


def _peak_bytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


if __name__ == "__main__":
    measure()

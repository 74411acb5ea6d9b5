"""A long run with faults at random: does memory stay flat, and is anything left behind?

The desk: 8 hosts of 288 cases, six through the session that follows containers, on engines that
break links, stop answering, end streams early, repeat and garble; two through a process of their
own that is killed at random. Whatever a host still lacks is measured again, as `--resume` does.
The harness: one supervisor with 2,000 cases, each in a process of its own, of which some are
killed. The cases are of no known model, so that 2,000 take minutes; none loads weights.

    python -m benchmarks.soak --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final, cast

from benchmarks.stations import Station, descendants, station
from harness.contract import catalogue
from harness.contract.plan import Case, Picture, Plan
from harness.contract.recipes import MODES
from harness.contract.records import CaseStarted, Failure, Finished, Record, read_record, write_line
from orchestrator.cli.progress import NoProgress
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import Host, Say
from orchestrator.hosts.container_log import ContainerLog
from orchestrator.hosts.engine import ContainerState, Engine, EngineError, LinkError, Stream
from orchestrator.hosts.host_log import HostLog
from orchestrator.hosts.local import LocalSession
from orchestrator.hosts.replaying import ReplayingSession
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.rundir import RunFolder
from tests import factories

CONTAINED, LOCAL = 6, 2
HARNESS_CASES: Final = 2_000
MARKS: Final = (0.1, 0.5, 1.0)
# Growth from one tenth of a run to all of it that would tell of a leak.
MAX_GROWTH_MB: Final = 40.0
_ROOT: Final = Path(__file__).resolve().parent.parent
_EXITED, _KILLED = ContainerState("exited", 0, False), ContainerState("exited", 137, False)
_RUNNING: Final = ContainerState("running", 0, False)
_CHUNK: Final = 16 << 10


@dataclass
class Marks(NoProgress):
    """Watches the run; looks at this process at each mark."""

    total: int
    temporary: Path
    measured: int = 0
    remarks: int = 0
    troubles: int = 0
    stations: list[Station] = field(default_factory=list)

    def saw(self, host: str, record: Record) -> None:
        self.measured += record.kind == "measurement"
        while len(self.stations) < len(MARKS) - 1 and self._passed(MARKS[len(self.stations)]):
            self.look(MARKS[len(self.stations)])

    def _passed(self, mark: float) -> bool:
        return self.measured >= mark * self.total

    def look(self, share: float) -> None:
        gc.collect()
        self.stations.append(station(share, os.getpid(), self.temporary))

    def noted(self, host: str, remark: str) -> None:
        self.remarks += 1

    def ended(self, host: str, trouble: str) -> None:
        self.troubles += bool(trouble)


@dataclass(slots=True)
class Said:
    """What a harness says of each case; written once, numbered anew for every stream."""

    results: Mapping[str, bytes]

    @classmethod
    def of(cls, cases: list[Case]) -> Said:
        return cls({c.case_id: write_line(factories.measurement(c)).encode() for c in cases})

    def stream(self, plan: Plan) -> list[bytes]:
        cases = [attempt.case for attempt in plan.attempts()]
        lines = [write_line(factories.started(cases, plan_id=plan.plan_id)).encode()]
        for case in cases:
            lines.append(write_line(CaseStarted(case_id=case.case_id, stage="build")).encode())
            lines.append(self.results[case.case_id])
        done = Finished(plan_id=plan.plan_id, measured=len(cases), failed=0)
        lines.append(write_line(done).encode())
        number = re.compile(rb'"seq":0')
        return [number.sub(b'"seq":%d' % seq, line, count=1) for seq, line in enumerate(lines)]


@dataclass
class FaultyEngine:
    """Plays a container's log, a part more each time, until chance lets it be whole."""

    lines: list[bytes]
    chance: random.Random
    whole: bool = False
    gone: bool = False
    heard: int = 0

    def connect(self) -> None:
        if self.chance.random() < 0.2:
            raise LinkError("No route to host")

    def close(self) -> None:
        pass

    def logs(self, container: str, silence_s: float) -> Iterator[tuple[Stream, bytes]]:
        """Further each time: a link that breaks at every tenth record still ends."""
        more = self.chance.randrange(1, 120)
        end = min(len(self.lines), self.heard + more)
        self.heard, self.whole = end, end == len(self.lines)
        content = b"".join(map(self._spoilt, self.lines[:end]))
        for start in range(0, len(content), _CHUNK):
            yield "stdout", content[start : start + _CHUNK]
            if self.chance.random() < 0.01:
                yield "stderr", b"a warning of a library\n"
        if not self.whole and self.chance.random() < 0.7:
            raise LinkError("Connection reset by peer")

    def _spoilt(self, line: bytes) -> bytes:
        fault = self.chance.random()
        if fault < 0.002:
            return b"\x00\xff garbage\n" + line
        return line + line if fault < 0.004 else line

    def state(self, container: str) -> ContainerState:
        if self.whole:
            return _EXITED
        if self.chance.random() < 0.05:
            self.gone = True
            return _KILLED
        return _RUNNING

    def stop(self, container: str, grace_s: int) -> None:
        if self.chance.random() < 0.2:
            raise EngineError("the engine is busy", 500)

    def remove(self, container: str) -> None:
        pass


@dataclass(frozen=True, eq=False)
class SoakedHost:
    """A host whose harness, once started, meets whatever the seed has in store."""

    name: str
    said: Said
    chance: random.Random
    folder: Path
    contained: bool

    def check(self, plan: Plan) -> None:
        """It can measure anything."""

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> ReplayingSession | LocalSession:
        say("starting")
        lines = self.said.stream(plan)
        return self._container(lines, attempt) if self.contained else self._child(lines, attempt)

    def _container(self, lines: list[bytes], attempt: AttemptFile) -> ReplayingSession:
        source = ContainerLog(
            EngineMachine(self.name, Address("ssh", self.name)),
            cast("Engine", FaultyEngine(lines, self.chance)),  # as far as a session asks of one
            "container", attempt.run_id, log=HostLog(attempt.log), patience_s=60.0, pause_s=0.001,
        )  # fmt: skip
        return ReplayingSession(source)

    def _child(self, lines: list[bytes], attempt: AttemptFile) -> LocalSession:
        """A shell that ends itself with -9 at a random byte, one time in two."""
        path = self.folder / f"{attempt.name}.stream"
        path.write_bytes(b"".join(lines))
        share = self.chance.uniform(0.1, 0.9) if self.chance.random() < 0.5 else 1.0
        script = f"head -c {int(share * path.stat().st_size)} {path}; "
        script += "" if share == 1.0 else "kill -9 $$"
        with attempt.log.open("ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", script], stdout=subprocess.PIPE, stderr=log, bufsize=0,
                start_new_session=True,
            )  # fmt: skip
        return LocalSession(process, attempt.log)


def soak_desk(seed: int, work: Path) -> list[Station]:
    """Measure until nothing is lacking. Raises: AssertionError: something was lost or doubled."""
    cases = [
        factories.case(model.name, batch_size, mode)
        for model in catalogue.CATALOGUE
        for mode in MODES
        for batch_size in (1, 2, 4, 8, 16, 32)
    ]
    plan, said = factories.plan(cases), Said.of(cases)
    names = [f"host-{number}" for number in range(CONTAINED + LOCAL)]
    (streams := work / "streams").mkdir()
    hosts: list[Host] = [
        SoakedHost(name, said, random.Random(f"{seed}/{name}"), streams, number < CONTAINED)
        for number, name in enumerate(names)
    ]
    folder = RunFolder.create(work, plan, names, "soak", datetime.datetime.now(datetime.UTC))
    (temporary := work / "tmp").mkdir()
    tempfile.tempdir = str(temporary)
    marks, rounds, start_s = Marks(len(cases) * len(hosts), temporary), 0, perf_counter()
    while marks.measured < marks.total:
        rounds += 1
        Run.of(folder).measure(hosts, marks)
    marks.look(1.0)
    for outcome in folder.each_outcome(folder.plan()):
        assert len(outcome.measurements) == len(cases), outcome.host
    print(
        f"desk, seed {seed}: {marks.measured} cases on {len(hosts)} hosts, each measured once, in "
        f"{rounds} rounds and {perf_counter() - start_s:.0f} s; {marks.troubles} hosts lost on "
        f"the way, {marks.remarks} remarks"
    )
    return marks.stations


def soak_harness(seed: int, work: Path) -> list[Station]:
    """One supervisor, two thousand cases. Raises: AssertionError: a case has no record."""
    plan = Plan(
        models=tuple(f"nobody/model-{number}" for number in range(HARNESS_CASES // 20)),
        recipes=("aot_eager",), batch_sizes=tuple(range(1, 21)), weights="random",
        picture=Picture(url="", fallback=True),
    )  # fmt: skip
    chance, stations, told = random.Random(seed), list[Station](), set[str | None]()
    killed, start_s = 0, perf_counter()
    (temporary := work / "harness-tmp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "harness", "--plan", "-"], cwd=_ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(plan.model_dump_json().encode())
        process.stdin.close()
        for line in process.stdout:
            record = read_record(line)
            killed += _kill_a_case(process.pid, record, chance)
            if isinstance(record, Failure):
                told.add(record.case_id)
                if len(told) in (int(mark * HARNESS_CASES) for mark in MARKS):
                    stations.append(station(len(told) / HARNESS_CASES, process.pid, temporary))
    assert told == {case.case_id for case in plan.attempts()}
    # torch makes a folder for its default cache when it is loaded; nothing is ever put into it.
    left = [path.name for path in temporary.rglob("*") if path.parent != temporary]
    left += [path.name for path in temporary.iterdir() if "torchinductor_" not in path.name]
    print(
        f"harness, seed {seed}: {len(told)} cases in {perf_counter() - start_s:.0f} s, {killed} "
        f"processes killed, {len(left)} temporary files left {left[:3]}"
    )
    assert not left
    return stations


def _kill_a_case(supervisor: int, record: Record, chance: random.Random) -> int:
    """One time in fifty, the process of the case that has just begun."""
    if not isinstance(record, CaseStarted) or chance.random() > 0.02:
        return 0
    for process in reversed(descendants(supervisor)):
        with contextlib.suppress(OSError):
            if b"forkserver" in Path(f"/proc/{process}/cmdline").read_bytes():
                continue
            os.kill(process, signal.SIGKILL)
            return 1
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    flat = True
    for soak in (soak_desk, soak_harness):
        with tempfile.TemporaryDirectory(prefix="soak-") as work:
            stations = soak(seed, Path(work))
        print(*stations, sep="\n")
        flat &= stations[-1].resident_mb - stations[0].resident_mb < MAX_GROWTH_MB
        assert stations[-1].descendants <= stations[0].descendants
        tempfile.tempdir = None
    print("memory is flat" if flat else f"memory grew by more than {MAX_GROWTH_MB:.0f} MB")
    sys.exit(not flat)


if __name__ == "__main__":
    main()

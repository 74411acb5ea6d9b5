"""Three real engines behind real SSH: how much longer than the slowest alone do they take together?

Each has a container that replays records at a pace of its own, as three GPUs of different speed
would. Needs what the tests of real engines need, root above all; elsewhere it says so.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from orchestrator.hosts import image
from orchestrator.hosts.contained import Terms
from tests.docker import bed, needs, stand_in
from tests.docker.bed import Fleet
from tests.docker.trial import STEPS, STREAM, Trial, machine

# Seconds for each record.
PACES_S: Final = {"a100": 2.0, "t4": 3.5, "v100": 2.5}
SLOWEST: Final = "t4"
MAX_RATIO: Final = 1.1
_PROGRAMS: Final = ("dockerd", "docker-init", "busybox", "nsenter", "sshd", "ssh", "ip")


@dataclass(frozen=True, slots=True)
class Walls:
    """Seconds from the first connection to the last record."""

    alone_s: float
    together_s: float

    @property
    def ratio(self) -> float:
        return self.together_s / self.alone_s

    def __str__(self) -> str:
        return (
            f"three hosts {self.together_s:.1f} s, the slowest alone {self.alone_s:.1f} s: "
            f"{self.ratio:.2f} (allowed: {MAX_RATIO})"
        )


def main() -> None:
    if why := needs.missing(_PROGRAMS):
        print(f"left out: {why}")
        return
    with bed.laid() as laid, tempfile.TemporaryDirectory() as folder:
        fleet = laid.fleet(tuple(PACES_S))
        os.environ.update(fleet.environment())
        found = measure(fleet, Path(folder))
    print(found)
    if found.ratio > MAX_RATIO:
        sys.exit("hosts hold each other up")


def measure(fleet: Fleet, folder: Path) -> Walls:
    """Measure on the slowest host alone, then on all three."""
    for name, pace_s in PACES_S.items():
        with contextlib.closing(fleet[name].engine.client()) as client:
            stand_in.load(client, image.build_input({}).tag, STEPS, pace_s=pace_s)
    return Walls(_wall_s(folder, [SLOWEST]), _wall_s(folder, list(PACES_S)))


def _wall_s(output: Path, names: Sequence[str]) -> float:
    run = Trial.new(output, [machine(name) for name in names])
    start_s = perf_counter()
    run.measure(terms=Terms(patience_s=60))
    taken_s = perf_counter() - start_s
    assert [run.records(name) for name in names] == [STREAM] * len(names)
    assert taken_s >= len(STREAM.splitlines()) * max(PACES_S[name] for name in names)
    return taken_s


if __name__ == "__main__":
    main()

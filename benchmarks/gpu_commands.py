"""The steps of `gpu_check` that are a process of their own, so that its CUDA context is gone when
the next one measures. Such a process takes `--left-s` and keeps what it has in a ledger."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.gpu_settings import ESSENTIAL, OVERHEAD, STARTS, Settings
from benchmarks.ledger import Ledger

# pytest: all passed, some failed, none were left.
TESTED: Final = (0, 1, 5)


@dataclass(frozen=True, slots=True)
class Command:
    """One such process, called until it has nothing left to do.

    `arguments` follow the Python that runs this one; `orderly` are the exit codes after which what
    the process kept is all there is; `needs` is a module without which it is left out.
    """

    name: str
    budget_s: float
    arguments: tuple[str, ...]
    output: Path
    orderly: tuple[int, ...] = (0,)
    needs: str = ""

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.output / f"{self.name}.jsonl")

    @property
    def log(self) -> Path:
        return self.output / f"{self.name}.log"

    def run(self, until_s: float) -> bool:
        """Call it until nothing is left. Where it breaks, what was under way has failed, and the
        rest goes on in a new one; where nothing was under way, the whole step has failed, and is
        not repeated: what made it fail is there to be read."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            self.ledger.close(f"not run: {sys.executable} has no {self.needs}", missing=self.needs)
            return True
        print(f"{self.name}: what it prints is in {self.log}", flush=True)
        while not self._is_over(until_s):
            pass
        return self.ledger.complete() is not None

    def _is_over(self, until_s: float) -> bool:
        """One call of it; whether there is no reason for another one."""
        began_s = time.time()
        code = self._call(until_s)
        under_way = self.ledger.under_way(began_s)
        said = f"its process ended with exit code {code}; what it said: {self.log}"
        if code is None:
            if under_way is not None:
                self.ledger.run_out(*under_way)
        elif code not in self.orderly and under_way is not None:
            self.ledger.keep(under_way[0], outcome="failed", error=said, said=said)
            return False
        elif code not in self.orderly:
            self.ledger.close(said)
        elif self.ledger.results() and not self.ledger.in_vain_s():
            self.ledger.close()  # a step of which nothing ran is not done
        return True

    def _call(self, until_s: float) -> int | None:
        left_s = max(until_s - time.monotonic(), 0.0)
        kept = ("--json", str(self.ledger.path), "--left-s", f"{left_s:.1f}")
        with self.log.open("ab") as log:
            command = [sys.executable, *self.arguments, *kept]
            return processes.run_until(until_s, command, stdout=log, stderr=log)

    def left(self) -> list[str]:
        if self.ledger.complete() is not None:
            return []
        in_vain = [
            f"{name} had {had_s:.0f} s and did not end"
            for name, had_s in self.ledger.in_vain_s().items()
        ]
        return [f"{len(self.ledger.results())} results so far", *in_vain]


def commands(settings: Settings) -> Iterator[Command]:
    """These steps in their order."""
    size = settings.fixed.size
    tests = ("-m", "pytest", "-c", "pyproject.toml", "-p", "benchmarks.kept_tests", "--tb", "short")
    # Another torch or Python than the project's own brings warnings of its own.
    chosen = ("-m", ESSENTIAL, "-W", "default", *settings.tests)
    yield Command(ESSENTIAL, 120, (*tests, *chosen), settings.output, TESTED, needs="pytest")
    brief = ("--rounds", "20") if size == "tiny" else ()
    beside = ("-m", "benchmarks.overhead", "--size", size, *brief)
    yield Command(OVERHEAD, 120, beside, settings.output)
    pairs = ("--pairs", "1", "--eager") if size == "tiny" else ()
    yield Command(STARTS, 60, ("-m", "benchmarks.case_start", *pairs), settings.output)

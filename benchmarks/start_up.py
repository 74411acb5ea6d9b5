"""How long the command line takes to describe itself, beside an empty Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
RUNS: Final = 7
COMMANDS: Final = {
    "python -c pass": ("-c", "pass"),
    "orchestrate.py --help": ("orchestrate.py", "--help"),
    "orchestrate.py models": ("orchestrate.py", "models"),
}


def main() -> None:
    times_s: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, arguments in COMMANDS.items():
            times_s[name].append(_seconds(arguments))
    empty_s = median(times_s["python -c pass"])
    for name, values_s in times_s.items():
        middle_s = median(values_s)
        print(f"{name:<24} {middle_s:.3f} s   {middle_s / empty_s:.1f} × an empty Python")


def _seconds(arguments: tuple[str, ...]) -> float:
    start_s = perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
    return perf_counter() - start_s

"""Run all benchmarks, or those named:  python -m benchmarks overhead page"""

from __future__ import annotations

import importlib
import sys
from typing import Final

ALL: Final = (
    "start_up", "case_start", "statistics", "page", "overhead", "share", "two_runs", "simulation",
    "fleet", "pool", "three_hosts", "spread",
)  # fmt: skip


def main() -> None:
    names = sys.argv[1:] or ALL
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.exit(f"unknown benchmark {unknown[0]}; there is: {', '.join(ALL)}")
    for name in names:
        print(f"── {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()

"""The whole sweep, `python -m tests.crash --points 60`: prints every seed and its crashes."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.crash import disk, real, sweep


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", type=int, default=0, help="crashes of the real harness besides")
    chosen = parser.parse_args()
    killed = readings = 0
    start_s = time.monotonic()
    for seed in range(chosen.seed, chosen.seed + chosen.points):
        with tempfile.TemporaryDirectory(prefix="crash-") as folder:
            done = sweep.survive(seed, Path(folder))
        killed, readings = killed + done.killed, readings + done.readings
        print(f"seed {seed}: killed {', then '.join(map(str, done.crashes))}", flush=True)
    print(
        f"{chosen.points} seeds, {killed} desks killed, folder read {readings} times meanwhile, "
        f"{time.monotonic() - start_s:.0f} s: every run complete, each case measured once"
    )
    for seed in range(chosen.seed, chosen.seed + chosen.real):
        with tempfile.TemporaryDirectory(prefix="crash-") as folder:
            print(real.survive(seed, Path(folder)), flush=True)
    if chosen.real:
        with tempfile.TemporaryDirectory(prefix="crash-") as folder:
            try:
                print(disk.survive(Path(folder)), flush=True)
            except disk.NoDiskError as reason:
                print(f"no full disk: {reason}", flush=True)


if __name__ == "__main__":
    main()

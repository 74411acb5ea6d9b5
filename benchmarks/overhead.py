"""What the harness measures, beside other instruments: ratios of the same calls in one process.

    python -m benchmarks.overhead [--size tiny] [--rounds 300] [--json FILE]

With --json the ratios go into a file of JSON lines, each as soon as it is there. What the file
holds is not measured again; an instrument that fails is written down beside the ratios, and the
others go on.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.ledger import Ledger

ROUNDS: Final = 300


def main(arguments: Sequence[str] = ()) -> None:
    """Read the options, then load torch, which takes seconds."""
    chosen = _parser().parse_args(arguments)
    from benchmarks import other_instruments

    if chosen.json is not None:
        compared = other_instruments.comparisons(chosen.size, chosen.rounds)
        other_instruments.keep(Ledger(chosen.json), compared, chosen.left_s)
    else:
        for name, ratio in other_instruments.compare(chosen.size, chosen.rounds).items():
            other_instruments.show(name, ratio)
    other_instruments.show_empty_call()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The harness beside other instruments.")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="where the ratios go, as JSON lines")
    parser.add_argument("--left-s", type=float, default=math.inf, help="when this is ended")
    return parser


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])

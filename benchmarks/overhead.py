"""What the harness measures, beside other instruments: ratios of the same calls in one process.

    python -m benchmarks.overhead [--size tiny] [--rounds 300] [--json FILE]

With --json, what the file holds is not measured again, and an instrument that fails is written
down beside the ratios; the others go on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROUNDS: Final = 300


def main(arguments: Sequence[str] = ()) -> None:
    """Read the options, then load torch, which takes seconds."""
    chosen = _parser().parse_args(arguments)
    from benchmarks import other_instruments

    if chosen.json is not None:
        compared = other_instruments.comparisons(chosen.size, chosen.rounds)
        other_instruments.keep(chosen.json, compared)
    else:
        for name, ratio in other_instruments.compare(chosen.size, chosen.rounds).items():
            other_instruments.show(name, ratio)
    other_instruments.show_empty_call()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The harness beside other instruments.")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="where the ratios go, as JSON")
    return parser


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])

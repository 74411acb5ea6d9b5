"""The harness on its own: a plan in, records out on standard output, one JSON line each."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from harness.channel import Channel, claim_stdout
from harness.complaints import complaint
from harness.plan import Picture, Plan, read_plan
from harness.records import json_schema

DESCRIPTION: Final = """\
Measure vision models eager against torch.compile on this machine's first GPU, or on its CPU.

Reads a plan and writes records as JSON lines to standard output while it measures: what it
started with, each stage of each case, raw samples in seconds, failures with their reason.
Everything else (warnings, progress of libraries) goes to standard error.
"""
EPILOG: Final = """\
example:
  python -m harness --example-plan > plan.json      # edit it to taste
  python -m harness --plan plan.json > records.jsonl
  python -m harness --schema                        # what plan and records look like

exit codes: 0 every case measured, 1 some failed (their records say why), 2 unusable plan.
"""
USAGE: Final = 2
TERMINATED: Final = 128 + signal.SIGTERM
INTERRUPTED: Final = 128 + signal.SIGINT


def main() -> None:
    """Parse, then measure; every way out is an exit code and one sentence."""
    arguments = _parser().parse_args()
    if arguments.schema:
        print(json.dumps(json_schema(), indent=1, sort_keys=True))
    elif arguments.example_plan:
        print(example_plan().model_dump_json(indent=2))
    else:
        sys.exit(_measure(_read(arguments.plan)))


def example_plan() -> Plan:
    """One light model, random weights: needs no network, takes about a minute."""
    return Plan(
        models=("resnet-50",),
        batch_sizes=(1,),
        weights="random",
        picture=Picture(url="", fallback=True),
    )


def _measure(plan: Plan) -> int:
    from harness import supervisor

    channel = Channel(claim_stdout())
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return supervisor.run(plan, channel)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return TERMINATED


def _terminated(*_: object) -> NoReturn:
    """As an exception, so that every `finally` on the way out runs and the case is killed."""
    raise SystemExit(TERMINATED)


def _read(source: str) -> Plan:
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        _refuse(f"cannot read the plan {source}: {error.strerror}")
    try:
        return read_plan(text)
    except ValueError as error:
        _refuse(f"the plan {source} cannot be used: {complaint(error)}")


def _refuse(sentence: str) -> NoReturn:
    os.write(2, f"{sentence}\nA plan to start from: python -m harness --example-plan\n".encode())
    sys.exit(USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--plan", metavar="FILE", help="the plan to measure, or - for stdin")
    action.add_argument("--example-plan", action="store_true", help="print a plan to edit")
    action.add_argument("--schema", action="store_true", help="print the JSON Schema of records")
    return parser


if __name__ == "__main__":
    main()

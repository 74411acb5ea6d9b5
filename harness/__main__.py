"""The harness on its own: a plan in, records out on standard output, one JSON line each."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from harness.channel import Channel, claim_stdout
from harness.contract.complaints import complaint
from harness.contract.plan import Picture, Plan, read_plan
from harness.contract.records import json_schema
from harness.limits import Limits

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
        token = _take_token() if arguments.two_lines else os.environ.get("HF_TOKEN", "")
        plan = _read(arguments.plan, one_line=arguments.two_lines)
        if arguments.only is not None:
            plan = _only(plan, arguments.only)
        limits = Limits(arguments.limit_s, arguments.require_gpu)
        code = _measure(plan, limits, token, arguments.copy)
        _linger(arguments.linger_s)
        sys.exit(code)


def example_plan() -> Plan:
    """One light model, random weights: needs no network, takes about a minute."""
    return Plan(
        models=("resnet-50",),
        batch_sizes=(1,),
        weights="random",
        picture=Picture(url="", fallback=True),
    )


def _measure(plan: Plan, limits: Limits, token: str, copy: Path | None) -> int:
    from harness import supervisor

    channel = Channel(claim_stdout(), token, None if copy is None else _begin(copy))
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return supervisor.run(plan, channel, limits)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return TERMINATED


def _begin(copy: Path) -> int:
    try:
        return os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        _refuse(f"cannot keep a copy of the records in {copy}: {error.strerror}")


def _linger(seconds: float) -> None:
    """Stay until told to end, so that an engine that was down meanwhile can still take what was
    written: the output of a container that ends without its engine is lost (Docker 20.10)."""
    if seconds > 0:
        wanted = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        signal.sigtimedwait(wanted, seconds)


def _terminated(*_: object) -> NoReturn:
    """As an exception, so that every `finally` on the way out runs and the case is killed."""
    raise SystemExit(TERMINATED)


def _take_token() -> str:
    """A Hub token from the first line of standard input, for this process and its children.

    It is then part of nothing that shows a container's settings.
    """
    token = sys.stdin.buffer.readline().decode().strip()
    if token:
        os.environ["HF_TOKEN"] = token
    return token


def _read(source: str, *, one_line: bool) -> Plan:
    read = sys.stdin.buffer.readline if one_line else sys.stdin.buffer.read
    try:
        text = read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        _refuse(f"cannot read the plan {source}: {error.strerror}")
    try:
        return read_plan(text)
    except ValueError as error:
        _refuse(f"the plan {source} cannot be used: {complaint(error)}")


def _only(plan: Plan, case_id: str) -> Plan:
    """The same plan, less all other cases, whatever it skips itself."""
    every = {attempt.case_id for attempt in plan.every_attempt()}
    if case_id not in every:
        _refuse(f"the plan has no case {case_id!r}")
    return plan.model_copy(update={"skip": tuple(sorted(every - {case_id}))})


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
    parser.add_argument(
        "--limit-s",
        type=float,
        default=math.inf,
        metavar="SECONDS",
        help="end the whole run after so many seconds (default: never)",
    )
    parser.add_argument(
        "--linger-s",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="after the last record stay until terminated, at most so many seconds (default: 0)",
    )
    parser.add_argument(
        "--copy",
        type=Path,
        metavar="FILE",
        help="keep the records in a file as well, for when something on their way loses some",
    )
    parser.add_argument(
        "--require-gpu",
        action="store_true",
        help="refuse to measure on a CPU, or on a GPU that this torch was not built for",
    )
    parser.add_argument(
        "--two-lines",
        action="store_true",
        help="with --plan -: standard input holds a Hub token, or nothing, on its first line and "
        "the plan on its second; it may stay open",
    )
    parser.add_argument(
        "--only",
        metavar="CASE",
        help="measure this one case of the plan, such as resnet-50/default/float32/b1",
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--plan", metavar="FILE", help="the plan to measure, or - for stdin")
    action.add_argument("--example-plan", action="store_true", help="print a plan to edit")
    action.add_argument("--schema", action="store_true", help="print the JSON Schema of records")
    return parser


if __name__ == "__main__":
    main()

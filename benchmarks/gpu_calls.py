"""One call of `gpu_check`: the steps until the time is over, then the table and what is left."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Final, NoReturn

from benchmarks import gpu_commands, gpu_runs, gpu_settings, gpu_table
from benchmarks.gpu_settings import Settings, UsageError
from benchmarks.gpu_steps import Step, StepError, Walls, take_turns
from orchestrator.errors import RunError
from orchestrator.records import holding

FAILED: Final = 1
USAGE: Final = 2
UNFINISHED: Final = 3
# Of what is left of a step; the table must not be lost in a list.
SHOWN: Final = 6


def main(arguments: list[str], description: str) -> int:
    """Go on with what the folder lacks; the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = gpu_settings.parse(arguments, description)
        gpu_settings.require_gpu()
        with holding.held(settings.output / ".lock"):
            return _call(settings)
    except (UsageError, RunError) as error:
        print(error, file=sys.stderr)
    except holding.TakenError:
        print(f"another gpu_check is at work in {settings.output}", file=sys.stderr)
    except KeyboardInterrupt:
        return UNFINISHED
    return USAGE


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _call(settings: Settings) -> int:
    trouble = ""
    try:
        take_turns(lambda: steps(settings), Walls(settings.output), settings.deadline_s)
    except KeyboardInterrupt:
        print("\ninterrupted: what was under way is lost, and nothing else", flush=True)
    except StepError as error:
        trouble = str(error)
    print(gpu_table.render(settings.output))
    if left := {step.name: step.left() for step in steps(settings) if step.left()}:
        print("\n".join(["", "left", *_left(left), "", "go on with", f"  {settings.going_on}"]))
    if trouble:
        print(f"\nnothing more can be measured here: {trouble}")
        return FAILED
    if left:
        return UNFINISHED
    return 0 if gpu_table.holds(settings.output) else FAILED


def steps(settings: Settings) -> Iterator[Step]:
    """The chosen steps in their order; lazily, because a later one depends on an earlier one."""
    every: tuple[Iterator[Step], ...] = (gpu_commands.commands(settings), gpu_runs.runs(settings))
    for kind in every:
        yield from (step for step in kind if step.name in settings.only)


def _left(left: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, what in left.items():
        yield f"  {name}: {len(what)} cases" if name in gpu_settings.RUNS else f"  {name}:"
        yield from (f"    {each}" for each in what[:SHOWN])
        if more := what[SHOWN:]:
            yield f"    and {len(more)} more"

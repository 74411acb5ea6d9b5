"""A real harness in processes of its own, on tiny variants of the real architectures."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.contract.plan import Picture, Plan, Protocol
from harness.contract.records import Failure, Measurement, Record, read_record

ROOT = Path(__file__).resolve().parent.parent.parent
BRIEF = Protocol(iterations=6, warmup_min_calls=2, warmup_min_s=0, warmup_max_calls=4)

Listener = Callable[[Record], None]


def tiny(models: tuple[str, ...] = ("vit-base",), **settings: object) -> Plan:
    values = {
        "models": models,
        "batch_sizes": (1,),
        "protocol": BRIEF,
        "weights": "random",
        "size": "tiny",
        "recipes": ("aot_eager",),
        "picture": Picture(url="", fallback=True),
    }
    return Plan.model_validate(values | settings)


@contextlib.contextmanager
def harness(plan: Plan, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "--plan", "-", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(plan.model_dump_json().encode())
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def answer(*arguments: str, stdin: bytes, **environment: str) -> tuple[int, list[Record], bytes]:
    """What `python -m harness` says to a standard input: its exit code, records and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--plan", "-", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.returncode, [read_record(line) for line in done.stdout.splitlines()], done.stderr


def measured(plan: Plan, **environment: str) -> list[Record]:
    """All records of a plan, by a harness of its own."""
    with harness(plan, **environment) as process:
        assert process.stdout is not None
        return [read_record(line) for line in process.stdout]


def results(records: list[Record]) -> dict[str, Measurement | Failure]:
    return {
        record.case_id or "host": record
        for record in records
        if isinstance(record, Measurement | Failure)
    }


def only_failure(records: list[Record]) -> Failure:
    (result,) = results(records).values()
    assert isinstance(result, Failure), result
    return result

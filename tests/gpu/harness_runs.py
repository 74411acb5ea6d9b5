"""Plans for the harness on a GPU, brief on a fake one, and what became of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from harness.contract.plan import Plan, Protocol
from harness.contract.records import Failure, Finished, Measurement, Record, Started, read_record
from tests.integration.running import ROOT, tiny

LIMIT_S = 900
# Forked processes start in a tenth of a second; how they start is a test of its own.
QUICK = Protocol(
    iterations=12,
    max_blocks=6,
    warmup_min_calls=4,
    warmup_min_s=0,
    warmup_max_calls=8,
    energy_s=0,
    heartbeat_s=60.0,
    case_processes="fork",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a harness said and how it ended."""

    code: int
    records: tuple[Record, ...]
    errors: str

    @property
    def started(self) -> Started:
        return next(record for record in self.records if isinstance(record, Started))

    @property
    def measurements(self) -> dict[str, Measurement]:
        return {
            record.case_id: record for record in self.records if isinstance(record, Measurement)
        }

    @property
    def failures(self) -> dict[str | None, Failure]:
        return {record.case_id: record for record in self.records if isinstance(record, Failure)}

    @property
    def only(self) -> Measurement:
        (found,) = self.measurements.values()
        assert not self.failures, self.failures
        return found

    @property
    def only_failure(self) -> Failure:
        (found,) = self.failures.values()
        assert not self.measurements
        return found

    @property
    def is_finished(self) -> bool:
        return any(isinstance(record, Finished) for record in self.records)


def brief(models: tuple[str, ...] = ("vit-base",), **settings: object) -> Plan:
    """Tiny models, traced and not generated unless `settings` say otherwise."""
    return tiny(models, **({"protocol": QUICK} | settings))


def run(plan: Plan, environment: dict[str, str], answer_limit_s: float | None = None) -> Outcome:
    """Let a harness measure a plan, as a GPU host does.

    Args:
        answer_limit_s: how long a GPU may take to answer a forked process, if not as usual.
    """
    program = ["-m", "harness"] if answer_limit_s is None else ["-c", _impatient(answer_limit_s)]
    done = subprocess.run(
        [sys.executable, *program, "--require-gpu", "--plan", "-"],
        cwd=ROOT,
        env=os.environ | environment,
        input=plan.model_dump_json().encode(),
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
    )
    records = tuple(read_record(line) for line in done.stdout.splitlines())
    return Outcome(done.returncode, records, done.stderr.decode(errors="replace"))


def _impatient(answer_limit_s: float) -> str:
    return (
        "from harness import __main__, child\n"
        f"child.ANSWER_LIMIT_S = {answer_limit_s}\n"
        "__main__.main()"
    )


def orchestrate(*arguments: str | os.PathLike[str], **environment: str) -> tuple[int, str, str]:
    """Run the project's command: its exit code, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "orchestrate.py", *map(os.fspath, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def as_json(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text)
    return found

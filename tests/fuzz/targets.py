"""What reads text that somebody else wrote: takes any bytes, and raises only what is a defect."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import typer

from harness.contract.complaints import complaint
from harness.contract.plan import Plan, read_plan
from harness.contract.records import Measurement
from harness.contract.vocabulary import NewerSchemaError
from orchestrator.cli import cli
from orchestrator.compare import judging
from orchestrator.compare.comparison import RunInfo
from orchestrator.errors import UsageError
from orchestrator.hosts.kinds import registry
from orchestrator.inventory import inventory
from orchestrator.publish import report
from orchestrator.publish.results import Results
from orchestrator.records import runmeta
from orchestrator.records.admission import Allowance, TooMuchError, case_ids
from orchestrator.records.intake import Intake
from orchestrator.records.outcomes import Attempt, HostOutcome, fold
from orchestrator.records.stream import Read, Unreadable
from tests import factories

Target: TypeAlias = Callable[[bytes], object]

PLAN: Final = factories.plan([factories.case("resnet-50"), factories.case("vit-base")])
_RUN: Final = RunInfo("2026-11-23-a", "2026-11-23 10:00 UTC", "python orchestrate.py", PLAN)
_EXITS: Final = frozenset({0, 1, 2, 3, 4, 130})
# Where a command could write, or what it could reach, outside the folder made for it.
_FORBIDDEN: Final = ("/", "..", "~", "ssh", "tcp", "unix", "doctor", "attach", "clean", "--resume")


def records(data: bytes) -> HostOutcome:
    """A stream of records, in chunks."""
    size = 1 + len(data) % 997
    kept, remarks = [], []
    intake = Intake(PLAN)
    try:
        for item in _items(intake, data, size):
            if isinstance(item, Read):
                kept.append(item.record)
                remarks.append(intake.oddity(item))
            else:
                remarks.append(item.why)
    except (NewerSchemaError, TooMuchError) as error:
        remarks.append(str(error))
    _require_short(*remarks)
    outcome = fold("host", [Attempt(tuple(kept), remarks=tuple(remarks))], PLAN.plan_id)
    assert outcome.measurements.keys() | outcome.failures.keys() <= case_ids(PLAN)
    return outcome


def _items(intake: Intake, data: bytes, size: int) -> Iterator[Read | Unreadable]:
    for start in range(0, len(data), size):
        yield from intake.feed(data[start : start + size])
    yield from intake.end()


def page(data: bytes) -> str:
    """A stream of records as a page: whatever is in a valid record, there is one."""
    outcome = records(data)
    compared = judging.build(_RUN, PLAN, [outcome])
    return report.render(compared)


def plan(data: bytes) -> Plan | None:
    """A plan, and what is asked of one."""
    try:
        found = read_plan(data)
    except ValueError as error:
        _require_short(complaint(error))
        return None
    Allowance.of(found)
    assert read_plan(found.model_dump_json()) == found
    return found


def hosts(data: bytes) -> Mapping[str, object]:
    """An inventory."""
    path = _folder() / "hosts.toml"
    path.write_bytes(data)
    try:
        return inventory.read(registry.settings(), path)
    except UsageError as error:
        _require_short(error.sentence)
        return {}


def run_json(data: bytes) -> object:
    """The run.json of a run that came from elsewhere; its reader names these errors."""
    try:
        return runmeta.write(runmeta.read(data.decode(errors="replace")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def results(data: bytes) -> object:
    """The results.json of a run that came from elsewhere."""
    from orchestrator.publish.results import read

    path = _folder() / "results.json"
    path.write_bytes(data)
    try:
        found: Results = read(path)
    except ValueError as error:
        _require_short(str(error))
        return None
    return found.when, found.counts


def command_line(data: bytes) -> int:
    """Arguments, separated by NUL; nothing is measured, written elsewhere, or reached."""
    words = [word.decode(errors="replace") for word in data.split(b"\0")][:12]
    if any(each in word for word in words for each in _FORBIDDEN):
        return 0
    if not any(word in ("models", "index", "report", "compare", "export") for word in words):
        words = ["--dry-run", *words]
    with contextlib.chdir(_folder()), _quiet():
        try:
            typer.main.get_command(cli.app).main(args=words, prog_name="orchestrate.py")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    assert code in _EXITS, (code, words)
    return code


def _require_short(*sentences: str) -> None:
    """What is said of a text must not be as long as the text."""
    assert all(len(sentence) < 2000 for sentence in sentences)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _folder() -> Path:
    """One for this process, in memory where there is such a place."""
    global _made
    if _made is None:
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        _made = tempfile.TemporaryDirectory(prefix="fuzz-", dir=place)
    return Path(_made.name)


_made: tempfile.TemporaryDirectory[str] | None = None

ALL: Final[Mapping[str, Target]] = {
    "records": records,
    "page": page,
    "plan": plan,
    "hosts": hosts,
    "run_json": run_json,
    "results": results,
    "command_line": command_line,
}


def small() -> Measurement:
    """The smallest record of a measurement."""
    return factories.measurement(factories.case("resnet-50"), blocks=2, calls=1)

"""Reads the results.json of runs: quick, because it holds no samples, and suspicious, because a
run may come from elsewhere and from another version."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator import wording
from orchestrator.compare import rehearsal
from orchestrator.compare.comparison import Verdict
from orchestrator.page.exports import EXPORT_VERSION, FORMAT
from orchestrator.records import files

NAME: Final = "results.json"
# 100,000 cases take half of this.
_MOST_BYTES: Final = 512 << 20
_LONG_AGO: Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_Ratio: TypeAlias = Annotated[float, Field(gt=0)]


class _Read(BaseModel):
    """Only what is needed here; a minor addition to the format is no reason to refuse a run."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class RunHeader(_Read):
    """`rehearsal` is what the run itself says; early ones do not, nor what they were made of."""

    run_id: str
    created: str
    answer: str
    plan_id: str | None
    size: str | None = None
    backend: str | None = None
    rehearsal: str = ""


class HostHeader(_Read):
    """`gpu` is None where the host never started."""

    host: str
    gpu: str | None
    torch: str | None


class ResultRow(_Read):
    """One case on one host; `speed_up` is None where it has no times."""

    host: str
    gpu: str | None
    model: str
    label: str
    mode: str
    precision: str
    batch_size: int
    verdict: Verdict
    speed_up: _Ratio | None
    speed_up_low: _Ratio | None
    speed_up_high: _Ratio | None


class Results(_Read):
    run: RunHeader
    hosts: tuple[HostHeader, ...]
    rows: tuple[ResultRow, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        return dict(Counter(row.verdict for row in self.rows))

    @property
    def is_published(self) -> bool:
        return self.run.plan_id is None

    @property
    def rehearsal(self) -> str:
        """Why the run is a rehearsal and no result; empty where it is one."""
        devices = [host.gpu for host in self.hosts if host.gpu]
        found = rehearsal.causes(self.run.size, self.run.backend, devices)
        return wording.one_line(self.run.rehearsal) or rehearsal.in_words(found)

    @property
    def when(self) -> datetime.datetime:
        """When the run was made; long ago where that cannot be read."""
        try:
            found = datetime.datetime.fromisoformat(self.run.created)
        except ValueError:
            return _LONG_AGO
        return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """A run that can be listed; `has_page` tells whether its report.html is there."""

    folder: str
    results: Results
    has_page: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A folder that cannot be listed, and why."""

    folder: str
    why: str


def find(output: Path) -> tuple[tuple[RunOnDisk, ...], tuple[LeftOut, ...]]:
    """All runs in a folder, newest first, and what had to be left out, by name."""
    runs: list[RunOnDisk] = []
    left_out: list[LeftOut] = []
    for folder in sorted(output.iterdir()) if output.is_dir() else ():
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        try:
            results = read(folder / NAME)
        except ValueError as error:
            left_out.append(LeftOut(folder.name, str(error)))
            continue
        runs.append(RunOnDisk(folder.name, results, (folder / "report.html").is_file()))
    newest_first = sorted(runs, key=lambda run: run.results.when, reverse=True)
    return tuple(newest_first), tuple(left_out)


def read(path: Path) -> Results:
    """Read one results.json. Raises: ValueError: half a sentence that says why it cannot be."""
    try:
        text = files.content(path, _MOST_BYTES)
        content = json.loads(text)
    except FileNotFoundError:
        has_run = path.with_name("run.json").is_file()
        raise ValueError(
            f"has records but no {NAME}: render it with the command report"
            if has_run
            else f"no run: it has no {NAME}"
        ) from None
    except OSError as error:
        raise ValueError(f"cannot read {NAME}: {error.strerror}") from error
    except (ValueError, RecursionError):
        raise ValueError(f"{NAME} is no JSON") from None
    _require_known(content)
    try:
        return Results.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ValueError(f"{NAME} is damaged: {where}") from error


def _require_known(content: object) -> None:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{NAME} belongs to another program")
    version = content.get("version")
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"{NAME} has no version")
    if version > EXPORT_VERSION:
        raise ValueError(
            f"{NAME} was made by a newer version (format {version}, this checkout reads up to "
            f"{EXPORT_VERSION}): update this checkout"
        )

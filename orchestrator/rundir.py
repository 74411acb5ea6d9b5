"""The run folder: the only module that knows file names.

    reports/2026-11-24-0415-local/
        run.json               when, what command, which hosts; rewritten atomically
        plan.json              what was to be measured; written once
        records/local.1.jsonl  the records of the first attempt, appended and synced one by one
        logs/local.1.log       what the harness printed besides
        report.html, results.csv, results.json, results.md

A resumed run adds an attempt; no file of an earlier one is touched.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final, Self

from harness.complaints import complaint
from harness.plan import Plan, read_plan
from harness.vocabulary import NewerSchemaError
from orchestrator.errors import RunError, StorageError, UnknownNameError
from orchestrator.outcomes import Attempt, HostOutcome, fold
from orchestrator.stream import Read, Reader, Unreadable

_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class RunMeta:
    """What is known of a run besides its plan. `interrupted` names record files that the user
    stopped, so that a case open at their end is missing and not a crash. `prices_per_hour` are in
    USD by host name; a host without a price is not in it, and older runs have none at all."""

    run_id: str
    created: str
    command: str
    hosts: tuple[str, ...]
    interrupted: tuple[str, ...] = ()
    prices_per_hour: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptFile:
    """An open record file of one host; a record is on disk when `append` returns."""

    name: str
    log: Path
    file: BinaryIO

    def append(self, line: bytes) -> None:
        try:
            self.file.write(line)
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise StorageError(
                f"cannot write {self.file.name}: {error.strerror}",
                "What was written before is kept. Make room, then go on:  "
                f"python orchestrate.py --resume {Path(self.file.name).parent.parent}",
            ) from error


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk."""

    path: Path

    @classmethod
    def create(
        cls,
        output: Path,
        plan: Plan,
        hosts: Sequence[str],
        command: str,
        now: datetime.datetime,
        prices_per_hour: Mapping[str, float] | None = None,
    ) -> Self:
        """Make a new folder under `output`; prices are in USD by host name.

        Raises: RunError: it cannot be written.
        """
        stem = f"{now:%Y-%m-%d-%H%M}-{'-'.join(hosts)}"[:80]
        path = _fresh_folder(ensure_folder(output), stem)
        for name in ("records", "logs"):
            ensure_folder(path / name)
        folder = cls(path)
        folder.write("plan.json", plan.model_dump_json(indent=2) + "\n")
        created = now.isoformat(timespec="seconds")
        prices = dict(prices_per_hour or {})
        folder._write_meta(
            RunMeta(path.name, created, command, tuple(hosts), prices_per_hour=prices)
        )
        return folder

    @classmethod
    def find(cls, output: Path, name: str) -> Self:
        """Open an existing run by path or by name. Raises: UnknownNameError; RunError."""
        with contextlib.suppress(OSError, ValueError):  # a name that no file can have
            for path in (Path(name), output / name):
                if (path / "run.json").is_file():
                    return cls(path.resolve())
            if Path(name).exists():
                raise RunError(f"{name} is no run folder: it has no run.json")
        known = sorted(path.parent.name for path in output.glob("*/run.json"))
        raise UnknownNameError("run", name, known, f"Runs are looked for in {output.resolve()}.")

    def meta(self) -> RunMeta:
        """Read run.json. Raises: RunError."""
        try:
            fields = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
            return RunMeta(
                run_id=str(fields["run_id"]),
                created=str(fields["created"]),
                command=str(fields["command"]),
                hosts=tuple(str(host) for host in fields["hosts"]),
                interrupted=tuple(str(name) for name in fields["interrupted"]),
                prices_per_hour=_prices(fields.get("prices_per_hour", {})),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"cannot read {self.path / 'run.json'}: {_why(error)}") from error

    def plan(self) -> Plan:
        """Read plan.json. Raises: RunError."""
        path = self.path / "plan.json"
        try:
            return read_plan(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"cannot read {path}: {_why(error)}") from error

    @contextmanager
    def attempt(self, host: str) -> Iterator[AttemptFile]:
        """Open the next record file of a host."""
        number = 1 + len(self._record_files(host))
        name = f"{host}.{number}.jsonl"
        with (self.path / "records" / name).open("xb") as file:
            yield AttemptFile(name, self.path / "logs" / f"{host}.{number}.log", file)

    def mark_interrupted(self, names: Sequence[str]) -> None:
        """Remember that the user stopped these attempts."""
        meta = self.meta()
        self._write_meta(replace(meta, interrupted=(*meta.interrupted, *names)))

    def outcomes(self) -> tuple[HostOutcome, ...]:
        """Read all records of all hosts. Raises: RunError: made by a newer version."""
        meta = self.meta()
        return tuple(
            fold(host, [self._read(path, meta) for path in self._record_files(host)])
            for host in meta.hosts
        )

    def write(self, name: str, text: str) -> Path:
        """Write a file of the run, whole or not at all. Raises: StorageError."""
        return write_whole(self.path / name, text)

    def _write_meta(self, meta: RunMeta) -> None:
        self.write("run.json", json.dumps(asdict(meta), indent=2) + "\n")

    def _record_files(self, host: str) -> list[Path]:
        files = (self.path / "records").glob(f"{host}.*.jsonl")
        return sorted(files, key=lambda path: int(path.name.split(".")[-2]))

    def _read(self, path: Path, meta: RunMeta) -> Attempt:
        reader, records, remarks = Reader(), [], []
        try:
            for item in _items(path, reader):
                if isinstance(item, Read):
                    records.append(item.record)
                else:
                    remarks.append(f"{path.name}, line {item.number} skipped: {item.why}")
        except NewerSchemaError as error:
            raise RunError(f"{path} was {error}") from error
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror}") from error
        interrupted = path.name in meta.interrupted
        return Attempt(tuple(records), interrupted, tuple(remarks))


def _items(path: Path, reader: Reader) -> Iterator[Read | Unreadable]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield from reader.feed(chunk)
    yield from reader.end()


def ensure_folder(path: Path) -> Path:
    """Make a folder unless it is there. Raises: RunError: it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot make the folder {path}: {error.strerror}",
            "Choose another place with --output.",
        ) from error
    return path


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file, whole or not at all; text as UTF-8. Raises: RunError."""
    try:
        _write_atomically(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}", "Make room and try again."
        ) from error
    return path


def _fresh_folder(output: Path, stem: str) -> Path:
    """A new folder of this name, or of this name and the first free number."""
    for number in itertools.count(1):
        path = output / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"cannot make a run folder under {output}: {error.strerror}",
                "Choose another place with --output.",
            ) from error
        return path
    raise AssertionError("unreachable: counting has no end")


def _write_atomically(path: Path, content: bytes) -> None:
    """Through a temporary file beside it: a reader sees the old or the new content, never half."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _prices(fields: Mapping[str, object]) -> dict[str, float]:
    """USD per hour by host. Raises: ValueError: not a price."""
    prices = {str(host): float(str(price)) for host, price in fields.items()}
    for host, price in prices.items():
        if not (math.isfinite(price) and price > 0):
            raise ValueError(f"the price per hour of {host} is {price}, and must be above 0")
    return prices


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, ValueError):
        return complaint(error)
    return "it does not hold what a run's should"

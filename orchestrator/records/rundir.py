"""The run folder: the only module that knows file names.

    reports/2026-11-24-0415-local/
        run.json               when, what command, which hosts; rewritten atomically
        plan.json              what was to be measured; written once
        records/local.1.jsonl  the records of the first attempt, appended and synced one by one
        logs/local.1.log       what the harness printed besides
        jobs/a100.jsonl        of a pool: which job measured which case into which file
        report.html, results.csv, results.json, results.md

A resumed run adds an attempt, and so does each further GPU of a host; no file of an earlier attempt
is touched. Only an attempt whose harness goes on without the desk is ever taken up again.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Final, Literal, Self

from harness.contract import recipes
from harness.contract.complaints import complaint
from harness.contract.plan import Plan, read_plan
from orchestrator.errors import RunError, StorageError, UnknownNameError
from orchestrator.records import files, holding, journal, reading, runmeta
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.files import (
    ensure_folder,
    fresh_folder,
    refuse_links,
    remove_leftovers,
    whole_lines_bytes,
    write_whole,
)
from orchestrator.records.holding import TakenError
from orchestrator.records.journal import JobNote
from orchestrator.records.outcomes import Attempt, HostOutcome, Trouble, fold
from orchestrator.records.runmeta import RunMeta

_RESTORE: Final = "Restore it from a copy; what was measured is in records/, untouched."
_OTHER_CHECKOUT: Final = "Use a checkout that has it, such as the one that made this run."
_RESTORE_ALL: Final = "Restore the folder from a copy."
# run.json is read, changed and written by the threads of several hosts.
_CHANGING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk."""

    path: Path

    @property
    def pasted(self) -> str:
        """The run as a user can paste it into a command, in the folder where this one was given."""
        return files.as_pasted(self.path)

    @classmethod
    def create(
        cls,
        output: Path,
        plan: Plan,
        hosts: Sequence[str],
        command: str,
        now: datetime.datetime,
        prices_per_hour: Mapping[str, float] | None = None,
        machines: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Self:
        """Make a new folder under `output`; prices are in USD by host name.

        Raises: RunError: it cannot be written.
        """
        runmeta.require_bounded(hosts, plan)
        stem = f"{now:%Y-%m-%d-%H%M}-{'-'.join(hosts)}"[:80]
        path = fresh_folder(ensure_folder(output), stem)
        for name in ("records", "logs"):
            ensure_folder(path / name)
        folder = cls(path)
        folder.write("plan.json", plan.model_dump_json(indent=2) + "\n")
        created = now.isoformat(timespec="seconds")
        meta = RunMeta(
            path.name,
            created,
            command,
            tuple(hosts),
            machines=machines or {},
            prices_per_hour=dict(prices_per_hour or {}),
        )
        folder._write_meta(meta)
        return folder

    @classmethod
    def find(cls, output: Path, name: str) -> Self:
        """Open an existing run by path or by name. Raises: UnknownNameError; RunError."""
        with contextlib.suppress(OSError, ValueError):  # a name that no file can have
            places = [path for path in (Path(name), output / name) if name and path.exists()]
            for path in places:
                if (path / "run.json").is_file():
                    return cls(path.resolve())
            if places:
                raise RunError(f"{places[0]} is no run folder: it has no run.json", _RESTORE)
        known = sorted(path.parent.name for path in output.glob("*/run.json"))
        raise UnknownNameError("run", name, known, f"Runs are looked for in {output.resolve()}.")

    def meta(self) -> RunMeta:
        """Read run.json. Raises: RunError."""
        try:
            return runmeta.read(files.content(self.path / "run.json").decode())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            path = self.path / "run.json"
            raise RunError(f"cannot read {path}: {_why(error)}", _RESTORE) from error

    def plan(self) -> Plan:
        """Read plan.json. Raises: RunError."""
        path = self.path / "plan.json"
        try:
            return read_plan(files.content(path))
        except (OSError, ValueError) as error:
            why = _why(error)
            advice = _OTHER_CHECKOUT if recipes.UNKNOWN in why else _RESTORE
            raise RunError(f"cannot read {path}: {why}", advice) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only process that writes records here. Raises: RunError: another one does."""
        path = self._path(".lock")
        refuse_links(*(self.path / name for name in ("records", "logs", "jobs")))
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(holding.held(path))
            except TakenError as error:
                raise RunError(
                    f"run {self.path.name} is being followed by another process",
                    "Let that one finish, or end it first.",
                ) from error
            except OSError as error:
                raise RunError(
                    f"cannot write {path}: {error.strerror}",
                    f"{_RESTORE_ALL[:-1]}, or make it writable.",
                ) from error
            remove_leftovers(self.path)
            yield

    @contextmanager
    def attempt(self, host: str, plan: Plan, number: int = 0) -> Iterator[AttemptFile]:
        """Open the next record file of a host; who opens thousands tells the number.

        Args:
            plan: that of the run, or what is left of it; it is not read again.
        """
        if not number:
            number = 1 + max((number for number, _ in self._record_files(host)), default=0)
        name = f"{host}.{number}.jsonl"
        with self._opened(name, "xb") as file:
            yield self._attempt_file(name, file, plan)

    @contextmanager
    def reopened(self, name: str, known: Attempt, plan: Plan) -> Iterator[AttemptFile]:
        """Open a record file again to append what it lacks, without the half line it may end in.

        Args:
            known: what it holds, as `attempts` read it.
            plan: that of the run, or what is left of it.
        Raises: RunError.
        """
        next_seq = 1 + max((record.seq for record in known.records), default=-1)
        with self._opened(name, "r+b") as file:
            file.truncate(whole_lines_bytes(file))
            held_bytes = file.seek(0, os.SEEK_END)
            yield self._attempt_file(name, file, plan, next_seq, held_bytes)

    def _attempt_file(
        self, name: str, file: FileIO, plan: Plan, next_seq: int = 0, held_bytes: int = 0
    ) -> AttemptFile:
        run_id, plan_id, log = self.path.name, plan.plan_id, self._log(name)
        return AttemptFile(name, log, file, run_id, next_seq, held_bytes, plan_id, self.pasted)

    def _opened(self, name: str, mode: Literal["xb", "r+b"]) -> FileIO:
        """A record file without a buffer: what failed to be written is not tried once more."""
        path = self._path(name)
        try:
            return path.open(mode, buffering=0)
        except OSError as error:
            raise StorageError(
                f"cannot write {path}: {error.strerror}", "Make room, or make the folder writable."
            ) from error

    def known(self, name: str) -> Attempt:
        """What one record file holds. Raises: RunError."""
        return reading.read(self._path(name), self.meta(), self.plan())

    def attempts(self, host: str, plan: Plan | None = None) -> dict[str, Attempt]:
        """The record files of a host by name, oldest first. Raises: RunError.

        Args:
            plan: that of the run, where it was read already.
        """
        return self._attempts(host, self.meta(), plan or self.plan())

    def _attempts(self, host: str, meta: RunMeta, plan: Plan) -> dict[str, Attempt]:
        jobs = self._jobs(host, plan)
        return {
            path.name: replace(reading.read(path, meta, plan), job=jobs.get(path.name))
            for _, path in self._record_files(host)
        }

    def jobs(self, host: str) -> dict[str, JobNote]:
        """The jobs of a pool by record file, oldest first. Raises: RunError."""
        return self._jobs(host, self.plan())

    def _jobs(self, host: str, plan: Plan) -> dict[str, JobNote]:
        return journal.load(self.path / "jobs" / f"{host}.jsonl", plan.former_ids)

    def note_job(self, host: str, note: JobNote) -> None:
        """Keep what is known of a job. Raises: StorageError."""
        journal.append(self.path / "jobs" / f"{host}.jsonl", note)

    def mark_interrupted(self, names: Sequence[str]) -> None:
        """Remember that the user stopped these attempts."""
        self._change(lambda meta: replace(meta, interrupted=(*meta.interrupted, *names)))

    def mark_trouble(self, name: str, trouble: Trouble) -> None:
        """Remember how an attempt broke off."""
        self._change(lambda meta: replace(meta, troubles={**meta.troubles, name: trouble}))

    def mark_followed(self, name: str) -> None:
        """Forget how an attempt ended: it is being followed again."""
        self._change(lambda meta: meta.without_ending(name))

    def withdraw(self, name: str, earlier: str) -> None:
        """Forget an attempt that never began, because the harness of an earlier one is still there;
        what that one lacks is to come, and not lost."""
        self._path(name).unlink(missing_ok=True)
        self._change(lambda meta: meta.without_ending(name).without_ending(earlier))
        self.mark_interrupted([earlier])

    def _change(self, change: Callable[[RunMeta], RunMeta]) -> None:
        with _CHANGING:
            self._write_meta(change(self.meta()))

    def outcomes(self) -> tuple[HostOutcome, ...]:
        """Read all records of all hosts. Raises: RunError: made by a newer version."""
        return tuple(self.each_outcome(self.plan()))

    def each_outcome(self, plan: Plan) -> Iterator[HostOutcome]:
        """Read the records of one host after the other: of many, only one is held in memory.

        Args:
            plan: that of the run.
        """
        meta = self.meta()
        runmeta.require_bounded(meta.hosts, plan)
        return (
            fold(host, self._attempts(host, meta, plan).values(), plan.plan_id)
            for host in meta.hosts
        )

    def write(self, name: str, text: str) -> Path:
        """Write a file of the run, whole or not at all. Raises: UnwrittenError.

        The folder may come from anybody: a link in it does not lead the file elsewhere."""
        return write_whole(self.path / name, text, follow=False)

    def _write_meta(self, meta: RunMeta) -> None:
        self.write("run.json", runmeta.write(meta))

    def _record_files(self, host: str) -> list[tuple[int, Path]]:
        """Numbers and paths, oldest first. A host's name may itself hold dots and digits."""
        pattern = re.compile(re.escape(host) + r"\.(\d+)\.jsonl")
        try:
            paths = list((self.path / "records").iterdir())
        except OSError as error:
            where = self.path / "records"
            raise RunError(f"cannot read {where}: {error.strerror}", _RESTORE_ALL) from error
        matches = ((pattern.fullmatch(path.name), path) for path in paths)
        return sorted((int(match[1]), path) for match, path in matches if match)

    def _path(self, name: str) -> Path:
        return self.path / "records" / name

    def _log(self, name: str) -> Path:
        return self.path / "logs" / f"{name.removesuffix('.jsonl')}.log"


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, ValueError):
        return complaint(error)
    return "it does not hold what a run's should"

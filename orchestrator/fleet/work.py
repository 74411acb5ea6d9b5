"""One host, or one GPU of it, at work: prepared and followed in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from harness.contract.plan import Plan
from harness.contract.records import CaseStarted, Failure, Finished, Measurement, Record, Started
from harness.contract.vocabulary import NewerSchemaError
from orchestrator import wording
from orchestrator.errors import DeskError, HostError, StorageError
from orchestrator.fleet.messages import Away, Doing, Ended, Message, Note
from orchestrator.hosts import AGAIN, FromStart, Say, Session, local_gpus
from orchestrator.inventory.machines import LOCAL, ONE_GPU_EACH
from orchestrator.records.admission import Allowance, TooMuchError, case_ids, likely_bytes
from orchestrator.records.attempt_file import AttemptFile
from orchestrator.records.intake import Intake
from orchestrator.records.stream import Read, Unreadable


class StoppingError(Exception):
    """The run was stopped while a host was still being prepared."""


_OTHER_IMAGE: Final = "Let it have the image of this checkout, then measure the rest:  "

Opening: TypeAlias = Callable[[Say], Session]
"""Prepares a host and gives the harness at work there. Raises: DeskError."""


class Mailbox(Protocol):
    """Where a thread says what happens."""

    def put(self, work: Work, message: Message, /) -> None: ...


@dataclass(slots=True)
class Twins:
    """The GPUs of a run: those that share the cases of one host must be alike, and each measured
    by one harness only, whatever names lead to it."""

    first: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    taken: dict[str, tuple[str, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def require_alike(self, host: str, started: Started) -> None:
        device = started.environment.device
        this = (device.name, device.memory_bytes)
        with self.lock:
            first = self.first.setdefault(host, this)
        if this != first:
            raise HostError(
                f'host "{host}": its GPUs differ ({first[0]} and {this[0]}), so they cannot share '
                "the cases of one host",
                local_gpus.ONE_KIND
                if host == LOCAL
                else "Give each kind a table of its own in the inventory.",
            )

    def require_own(self, host: str, attempt: str, started: Started) -> None:
        device = started.environment.device
        if not device.uuid or "MIG" in device.name:  # its parts may bear the number of the whole
            return
        with self.lock:
            other, by = self.taken.setdefault(device.uuid, (host, attempt))
        if by != attempt:
            raise HostError(
                f'host "{host}" was ended, because it measures the same GPU as host "{other}": '
                f"{device.uuid}",
                local_gpus.NAME_ONCE if host == other == LOCAL else ONE_GPU_EACH,
            )


@dataclass(slots=True, eq=False)
class Work:
    """One host, or one GPU of it, at work on its plan.

    `preparing`: what it does before its first record; it is `introduced` once it has said what it
    measures on; `refused` tells of the first line that was. `next_seq` is the number of the record
    that the file lacks next; one that was `taken_up` began before this desk.
    """

    host: str
    open: Opening
    attempt: AttemptFile
    plan: Plan
    messages: Mailbox
    twins: Twins
    taken_up: bool = False
    session: Session | None = None
    preparing: str = "starting"
    goes_on: bool = False
    leaving: bool = False
    introduced: bool = field(init=False)
    refused: str = ""
    next_seq: int = field(init=False)
    kept_bytes: int = field(init=False)
    remarked: int = 0
    told: set[str] = field(default_factory=set)
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.next_seq, self.kept_bytes = self.attempt.next_seq, self.attempt.bytes_before
        self.introduced = self.next_seq > 0

    def start(self) -> None:
        self.thread = threading.Thread(target=self.run, name=self.attempt.name, daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Prepare the host and follow it to its end, which is told last."""
        error: DeskError | None = None
        try:
            self.session = self.open(self._prepare)
            if self.stopping.is_set():  # asked while it was being started
                self.stop()
            self._take_all(self.session)
        except StoppingError:
            pass
        except DeskError as trouble:
            error = trouble
        except Exception as defect:  # noqa: BLE001  a defect of ours must not pass for a success
            what = f"{type(defect).__name__}: {defect}"
            error = HostError(f'host "{self.host}" met a defect of this program: {what}')
        finally:
            self._leave(error)
            self._say(Ended(error))

    def _leave(self, error: DeskError | None) -> None:
        """Whatever went wrong here, such as a full disk, may be mended, and `attach` follow: what a
        harness measures is not lost where it keeps it itself."""
        if self.session is not None and error is not None:
            self.session.detach()

    def _take_all(self, session: Session) -> None:
        try:
            self._follow(session)
        except NewerSchemaError as error:
            raise HostError(
                f'host "{self.host}" sends records {error}',
                f"Then:  python orchestrate.py attach {self.attempt.run}",
            ) from error
        except TooMuchError as error:
            self.kill()
            raise HostError(
                f'host "{self.host}" was ended: {error}',
                "What it sent before is kept. Its log may tell what went wrong there: "
                f"{self.attempt.log}",
            ) from error

    def _follow(self, session: Session) -> None:
        intake = Intake(self.plan)
        for chunk in session.chunks():
            if isinstance(chunk, FromStart):
                intake = Intake(self.plan)
                if chunk.remark:
                    self._say(Note(chunk.remark))
                if chunk.away:
                    self._say(Away())
                continue
            for item in intake.feed(chunk):
                if self._recovers(item, session):
                    break  # it will come again
                self._receive(item, intake)

    def _recovers(self, item: Read | Unreadable, session: Session) -> bool:
        """Whether a record between this one and the last is missing and being looked for."""
        seq = item.record.seq if isinstance(item, Read) else item.seq if item.line else -1
        return seq > self.next_seq and session.recover(self.next_seq)

    def _receive(self, item: Read | Unreadable, intake: Intake) -> None:
        if isinstance(item, Unreadable):
            self._refuse(item)
            return
        strange = intake.oddity(item)
        if item.record.seq < self.next_seq:  # it came before
            return
        self._take(item)
        if strange:
            self._remark(item.number, f": {strange}")

    def _refuse(self, item: Unreadable) -> None:
        self.refused = self.refused or f"line {item.number} was refused: {item.why}"
        self._remark(item.number, f" skipped: {item.why}")
        if item.line and item.seq >= self.next_seq:  # kept, so that the page says why
            self._keep(item.line, item.seq)

    def _remark(self, number: int, what: str) -> None:
        """Tell of a line, once."""
        if number > self.remarked:
            self.remarked = number
            self._say(Note(f"record line {number}{what}"))

    def _keep(self, line: bytes, seq: int) -> None:
        """Raises: StorageError; TooMuchError: a stream that begins anew, and again, may not make
        more of it than one that does not."""
        self.kept_bytes += len(line)
        if self.kept_bytes > Allowance.of(self.plan).stream_bytes:
            raise TooMuchError("it sends other records each time that it is followed again")
        try:
            self.attempt.append(line)
        except StorageError as error:
            raise self._named(error) from error
        self.next_seq = seq + 1

    def _named(self, error: StorageError) -> StorageError:
        """The same, with how much room the cases of this host that are left need."""
        left = 1 - min(1.0, len(self.told) / max(1, len(case_ids(self.plan))))
        room = wording.data_size(max(1 << 20, int(left * likely_bytes(self.plan))))
        return StorageError(
            error.sentence, f"Host {self.host} needs about {room} for what is left. {error.advice}"
        )

    def _take(self, item: Read) -> None:
        self.preparing = ""
        self._require_usable(item.record)
        self._keep(item.line, item.record.seq)
        self._say(item.record)
        if isinstance(item.record, Measurement):
            self.told.add(item.record.case_id)
        if self._is_last(item.record) and self.session is not None:
            self.session.finish()

    def _is_last(self, record: Record) -> bool:
        """Whether nothing comes after a record: a harness that cannot go on says why, and lingers
        like one that has finished. A pool's worker has to know the two apart by how they end."""
        if isinstance(record, Failure):
            return record.case_id is None and not self.attempt.job
        return isinstance(record, Finished)

    def _require_usable(self, record: Record) -> None:
        try:
            if isinstance(record, Started):
                self._require_asked(record)
                self.twins.require_alike(self.host, record)
                self.twins.require_own(self.host, self.attempt.name, record)
                self.introduced = True
            elif isinstance(record, CaseStarted | Measurement):
                self._require_introduced()
        except HostError:
            self.kill()  # nothing that it measures can be used
            raise

    def _require_introduced(self) -> None:
        """Raises: HostError: its first record was refused, or is lost."""
        if not self.introduced:
            raise HostError(
                f'host "{self.host}" was ended, because it measures without having said on what '
                f"({self.refused or 'its first record is lost'})",
                f"{_OTHER_IMAGE}python orchestrate.py --resume {self.attempt.run}",
            )

    def _require_asked(self, started: Started) -> None:
        """Raises: HostError: it measures something else than it was asked for."""
        if started.plan_id != self.attempt.plan_id:
            raise HostError(
                f'host "{self.host}" answers for another plan ({started.plan_id[:40]}) than that '
                f"of this run ({self.attempt.plan_id}), so nothing of it was kept",
                f"{_OTHER_IMAGE}python orchestrate.py --resume {self.attempt.run}",
            )

    @property
    def began(self) -> bool:
        """Whether its harness has been at work, as far as was known when it was taken up."""
        return self.taken_up or bool(self.attempt.next_seq) or not self.preparing

    def _prepare(self, what: str) -> None:
        if self.stopping.is_set():
            raise StoppingError
        if not what.endswith(AGAIN):  # what it was about to do then says more
            self.preparing = what
        self._say(Doing(what))

    def _say(self, message: Message) -> None:
        self.messages.put(self, message)

    def stop(self) -> None:
        self.stopping.set()
        if self.session is not None:
            self.goes_on = True  # until it was told
            self.goes_on = not self.session.stop()

    def leave(self) -> None:
        """From now on nothing may end it but itself."""
        self.leaving = True
        self.goes_on = self.session is not None

    def detach(self) -> None:
        self.stopping.set()
        self.goes_on = self.session is not None and self.session.detach()

    def kill(self) -> None:
        self.stopping.set()
        if self.session is not None and not self.leaving and self.session.kill():
            self.goes_on = False

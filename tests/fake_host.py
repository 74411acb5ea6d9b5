"""A host that replays a stream of bytes instead of measuring."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.contract.plan import Plan
from harness.contract.records import Record, write_line
from orchestrator.errors import HostError, NoHostError
from orchestrator.hosts import FromStart, Say
from orchestrator.records.attempt_file import AttemptFile


def lines(*records: Record) -> bytes:
    """The stream that a harness would have sent, numbered from 0."""
    numbered = (record.model_copy(update={"seq": seq}) for seq, record in enumerate(records))
    return "".join(map(write_line, numbered)).encode()


@dataclass
class FakeSession:
    """Gives the stream in chunks, and `then` as one that starts again, which is also where a record
    is looked for that did not come; with `endless` it waits until it is stopped."""

    stream: bytes
    chunk_bytes: int
    endless: bool
    then: bytes = b""
    stopped: threading.Event = field(default_factory=threading.Event)
    killed: bool = False
    recovering: bool = False

    def chunks(self) -> Iterator[bytes | FromStart]:
        for start in range(0, len(self.stream), self.chunk_bytes):
            yield self.stream[start : start + self.chunk_bytes]
            if self.recovering:
                break
        if self.then:
            yield FromStart("the link broke")
            yield self.then
        if self.endless:
            self.stopped.wait(timeout=30)

    def stop(self) -> bool:
        self.stopped.set()
        return True

    def recover(self, _seq: int, /) -> bool:
        self.recovering = bool(self.then) and not self.recovering
        return self.recovering

    def finish(self) -> None:
        pass

    def detach(self) -> bool:
        self.stopped.set()
        return self.endless

    def kill(self) -> bool:
        self.killed = True
        self.stopped.set()
        return True


@dataclass(eq=False)
class FakeHost:
    """Replays `stream` whatever the plan; remembers the plans it was given."""

    name: str
    stream: bytes
    chunk_bytes: int = 1 << 16
    endless: bool = False
    refuses: str = ""
    breaks: str = ""
    refusal: HostError | None = None
    then: bytes = b""
    plans: list[Plan] = field(default_factory=list)
    sessions: list[FakeSession] = field(default_factory=list)
    checks: int = 0

    def check(self, plan: Plan) -> None:
        self.checks += 1
        if self.refuses:
            raise NoHostError(self.refuses)

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> FakeSession:
        say("starting")
        if self.breaks:
            raise HostError(self.breaks, "Mend it.")
        if self.refusal:
            raise self.refusal
        attempt.log.write_text("")
        self.plans.append(plan)
        self.sessions.append(FakeSession(self.stream, self.chunk_bytes, self.endless, self.then))
        return self.sessions[-1]

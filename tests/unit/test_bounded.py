"""Calls of an engine that come to an end, with one that plays it."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from orchestrator.fleet.work import StoppingError
from orchestrator.hosts.bounded import BoundedEngine, Limits
from orchestrator.hosts.engine import EngineError, EngineFacts, LinkError, Output
from tests.fake_engine import FakeEngine

BRIEF = Limits(0.05, 0.05, 0.05)


@dataclass
class EndlessEngine(FakeEngine):
    """Answers when the test is over."""

    over: threading.Event = field(default_factory=threading.Event)

    def facts(self) -> EngineFacts:
        self.over.wait(30)
        return super().facts()

    def build(self, *_: object) -> str:
        self.over.wait(30)
        return ""


@pytest.fixture
def endless() -> Iterator[EndlessEngine]:
    engine = EndlessEngine()
    yield engine
    engine.over.set()


def test_a_question_without_an_end_is_given_up_and_its_connection_closed(
    endless: EndlessEngine,
) -> None:
    with pytest.raises(LinkError, match="asking the engine about itself took longer than 0 s"):
        BoundedEngine(endless, BRIEF).facts()
    assert endless.calls == ["close"]


def test_a_build_may_take_longer_and_ends_as_well(endless: EndlessEngine) -> None:
    with pytest.raises(LinkError, match="building the image took longer"):
        BoundedEngine(endless, Limits(image_s=0.05)).build(b"", "tag", {}, lambda _: None)


def test_what_is_answered_and_what_is_refused_come_through() -> None:
    refused = EngineError("quota", 507)
    engine = BoundedEngine(FakeEngine(refuses={"create": refused}), Limits(30.0, 30.0, 30.0))
    assert engine.facts().version == "28.0"
    with pytest.raises(EngineError) as caught:
        engine.create({})
    assert caught.value is refused


def test_what_was_refused_holds_nothing_that_was_in_use() -> None:
    class Response:
        pass

    class RefusingEngine(FakeEngine):
        def build(self, *_: object) -> str:
            response = Response()
            seen.append(weakref.ref(response))
            raise EngineError("no network")

    seen: list[weakref.ref[Response]] = []
    gc.disable()
    try:
        with contextlib.suppress(EngineError):
            BoundedEngine(RefusingEngine(), Limits(30.0, 30.0, 30.0)).build(b"", "tag", {}, print)
        assert seen[0]() is None
    finally:
        gc.enable()


def test_a_run_that_is_stopped_ends_a_build_from_what_it_prints() -> None:
    def stopping(line: str) -> None:
        raise StoppingError(line)

    output: Output = stopping
    with pytest.raises(StoppingError):
        BoundedEngine(FakeEngine(), Limits(30.0, 30.0, 30.0)).build(b"", "tag", {}, output)

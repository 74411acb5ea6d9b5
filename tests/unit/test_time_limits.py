"""Calls of an engine that come to an end."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from orchestrator.fleet.work import StoppingError
from orchestrator.hosts.docker import DockerEngine
from orchestrator.hosts.docker_link import DockerLink
from orchestrator.hosts.engine import EngineError, LinkError, Output, SlowError
from orchestrator.hosts.time_limits import Limits, limited
from orchestrator.inventory.addresses import Address

LONG = Limits(30.0, 30.0, 30.0)


class Link(DockerLink):
    """Nothing that is asked through it is answered before the test is over."""

    def __init__(self) -> None:
        super().__init__(Address("unix"))
        self.over = threading.Event()
        self.closed = 0

    def connect(self) -> None:
        self.over.wait(30)

    def sdk(self) -> None:
        self.over.wait(30)
        raise LinkError("the test is over")

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def endless() -> Iterator[Link]:
    link = Link()
    yield link
    link.over.set()


def output(_line: str) -> None:
    pass


@pytest.mark.parametrize(
    ("limit", "doing", "call"),
    [
        ("call_s", "connecting", lambda engine: engine.connect()),
        ("call_s", "asking the engine about itself", lambda engine: engine.facts()),
        ("call_s", "asking for the image", lambda engine: engine.image("tag")),
        ("image_s", "building the image", lambda engine: engine.build(b"", "tag", {}, output)),
        ("image_s", "pulling the image", lambda engine: engine.pull("tag", output)),
        ("image_s", "loading the image", lambda engine: engine.load(iter([b""]))),
        ("call_s", "making the container", lambda engine: engine.create({})),
        ("start_s", "starting the container", lambda engine: engine.start("c", b"")),
        ("call_s", "asking for the container", lambda engine: engine.state("c")),
        ("call_s", "stopping the container", lambda engine: engine.stop("c", 1)),
        ("call_s", "killing the container", lambda engine: engine.kill("c")),
        ("call_s", "removing the container", lambda engine: engine.remove("c")),
        ("call_s", "listing containers", lambda engine: engine.containers({})),
        (
            "image_s",
            "removing what is left",
            lambda engine: engine.remove_leftovers("label", images=True, volume=None),
        ),
    ],
)
def test_a_call_without_an_end_is_given_up_and_its_connection_closed(
    endless: Link, limit: str, doing: str, call: Callable[[DockerEngine], object]
) -> None:
    own = {name: 0.05 if name == limit else 30.0 for name in ("call_s", "start_s", "image_s")}
    engine = DockerEngine(Address("unix"), Limits(**own))
    engine._link = endless
    with pytest.raises(SlowError, match=f"^{doing} took longer than 0 s$"):
        call(engine)
    assert endless.closed == 1


class Asked:
    """Something whose calls end. It does what it is told to."""

    limits = LONG

    def close(self) -> None:
        pass

    @limited("building the image", "image_s")
    def build(self, does: Callable[[], str]) -> str:
        return does()


def test_what_is_answered_and_what_is_refused_come_through() -> None:
    refused = EngineError("quota", 507)

    def refusing() -> str:
        raise refused

    assert Asked().build(lambda: "sha256:built") == "sha256:built"
    with pytest.raises(EngineError) as caught:
        Asked().build(refusing)
    assert caught.value is refused


def test_what_was_refused_holds_nothing_that_was_in_use() -> None:
    class Response:
        pass

    def refusing() -> str:
        response = Response()
        seen.append(weakref.ref(response))
        raise EngineError("no network")

    seen: list[weakref.ref[Response]] = []
    gc.disable()
    try:
        with contextlib.suppress(EngineError):
            Asked().build(refusing)
        assert seen[0]() is None
    finally:
        gc.enable()


def test_a_run_that_is_stopped_ends_a_build_from_what_it_prints() -> None:
    def stopping(line: str) -> None:
        raise StoppingError(line)

    told: Output = stopping

    def printing() -> str:
        told("Step 1/2 : FROM base")
        return ""

    with pytest.raises(StoppingError):
        Asked().build(printing)

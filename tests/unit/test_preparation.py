"""Hosts made ready one beside the other, with engines that play them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.errors import DeskError
from orchestrator.hosts.engine import EngineError, LinkError, SlowError
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.persistence import Persistence
from orchestrator.hosts.preparation import Preparation, Ready
from orchestrator.hosts.shipyard import Shipyard
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine
from tests.fake_engine import FakeEngine

NO_NETWORK = EngineError('Get "https://registry-1.docker.io/v2/": dial tcp: no such host', 500)
SHIP = ImageSource("ship")
CUT = LinkError("Connection reset by peer")


def ship(engines: dict[str, FakeEngine], folder: Path) -> dict[str, tuple[object, list[str]]]:
    """Prepare all hosts at once. Returns: by host, what became of it, and what it said."""
    shipyard = Shipyard(list(engines))
    all_started = threading.Barrier(len(engines))

    def prepare(name: str) -> tuple[object, list[str]]:
        machine = EngineMachine(name, Address("ssh", name), gpus=())
        said: list[str] = []
        all_started.wait(10)
        engine, patient = engines[name], Persistence(0.05, pause_s=0.0)
        try:
            host = Preparation(machine, engine, lambda: engine, SHIP, shipyard, persistence=patient)
            return host.ready(said.append, folder / f"{name}.log"), said
        except DeskError as error:
            return error, said

    with ThreadPoolExecutor(len(engines)) as pool:
        return dict(zip(engines, pool.map(prepare, engines), strict=True))


def test_one_builds_the_others_copy_and_all_have_the_same(tmp_path: Path) -> None:
    engines = {name: FakeEngine() for name in ("a100", "t4", "v100")}
    done = ship(engines, tmp_path)
    images = {ready.image for ready, _ in done.values() if isinstance(ready, Ready)}
    assert images == {"sha256:built-0"}
    assert [engine.calls.count("build") for engine in engines.values()] == [1, 0, 0]
    assert [engine.calls.count("load") for engine in engines.values()] == [0, 1, 1]


def test_the_next_builds_where_the_first_cannot_and_never_waits_for_itself(
    tmp_path: Path,
) -> None:
    engines = {"a100": FakeEngine(refuses={"build": NO_NETWORK}), "t4": FakeEngine()}
    done = ship(engines, tmp_path)
    assert isinstance(done["a100"][0], DeskError)
    assert "one host among --hosts that reaches" in done["a100"][0].advice
    assert isinstance(done["t4"][0], Ready)
    for name, (_, said) in done.items():
        assert not [line for line in said if line.startswith("waiting") and name in line]


@pytest.mark.parametrize("call", ["build", "export"])
def test_a_link_of_the_host_that_builds_may_break(tmp_path: Path, call: str) -> None:
    engines = {"a100": FakeEngine(breaks={call: [CUT, CUT]}), "t4": FakeEngine()}
    done = ship(engines, tmp_path)
    assert [ready for ready, _ in done.values() if not isinstance(ready, Ready)] == []
    assert engines["a100"].calls.count(call) == 3
    assert "build" not in engines["t4"].calls


def test_a_link_of_the_host_that_copies_may_break(tmp_path: Path) -> None:
    engines = {"a100": FakeEngine(), "t4": FakeEngine(breaks={"load": [CUT]})}
    done = ship(engines, tmp_path)
    assert isinstance(done["t4"][0], Ready)
    assert done["t4"][1].count("copying the image from a100") == 2


class Silent(FakeEngine):
    """Builds, and cannot be reached any more."""

    def export(self, image: str) -> Iterator[bytes]:
        self.deaf = 10**9
        raise CUT
        yield b""  # it is a generator


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (FakeEngine(refuses={"export": EngineError("the disk is broken")}), "the disk is broken"),
        (FakeEngine(refuses={"export": CUT}), "Connection reset by peer"),
        (Silent(), "No route to host"),
    ],
)
def test_where_the_image_cannot_be_copied_any_more_the_next_one_builds(
    tmp_path: Path, source: FakeEngine, told: str
) -> None:
    engines = {"a100": source, "t4": FakeEngine(), "v100": FakeEngine()}
    done = ship(engines, tmp_path)
    assert [ready for ready, _ in done.values() if not isinstance(ready, Ready)] == []
    assert [engine.calls.count("build") for engine in engines.values()] == [1, 1, 0]
    said = [line for name in ("t4", "v100") for line in done[name][1]]
    assert f"a100 does not give the image any more ({told})" in said
    assert "copying the image from t4" in done["v100"][1]


def test_it_is_told_which_end_is_out_of_reach(tmp_path: Path) -> None:
    done = ship({"a100": FakeEngine(breaks={"export": [CUT]}), "t4": FakeEngine()}, tmp_path)
    assert "a100 is out of reach; connecting again" in done["t4"][1]


def build(engine: FakeEngine, folder: Path, patience_s: float = 30.0) -> tuple[object, list[str]]:
    """Prepare one host. Returns: what became of it, and what it said."""
    said: list[str] = []
    machine = EngineMachine("t4", Address("ssh", "t4"), gpus=())
    persistence = Persistence(patience_s, pause_s=0.0)
    host = Preparation(
        machine, engine, FakeEngine, ImageSource(), Shipyard(["t4"]), persistence=persistence
    )
    try:
        return host.ready(said.append, folder / "t4.log"), said
    except DeskError as error:
        return error, said


def test_a_link_that_breaks_while_the_image_is_built_costs_no_host(tmp_path: Path) -> None:
    engine = FakeEngine(breaks={"build": [CUT, CUT], "connect": []})
    done, said = build(engine, tmp_path)
    assert isinstance(done, Ready)
    assert engine.calls == ["connect", *["build", "connect"] * 2, "build"]
    assert said.count("out of reach; connecting again") == 2


def test_what_nobody_understands_is_tried_once_more(tmp_path: Path) -> None:
    # As an engine says it that is told to end while it builds.
    strange = EngineError("failed to update store for object type *libnetwork.endpoint", 500)
    done, _ = build(FakeEngine(breaks={"build": [strange]}), tmp_path)
    assert isinstance(done, Ready)
    assert "once more, after: failed to update store" in (tmp_path / "t4.log").read_text()
    done, _ = build(FakeEngine(refuses={"build": strange}), tmp_path)
    assert isinstance(done, DeskError)
    assert "Docker refused: failed to update store" in done.sentence


@pytest.mark.parametrize(
    ("breaks", "builds"),
    [
        ({"build": [NO_NETWORK] * 9}, 1),  # understood: it would say so again
        ({"build": [CUT], "connect": [CUT] * 9}, 0),  # never reached: at once
        ({"build": [CUT] * 9}, 5),
        ({"build": [SlowError("building the image took longer than 14400 s")] * 9}, 1),
        ({"build": [LinkError("Permission denied (publickey).", lasting=True)] * 9}, 1),
    ],
)
def test_what_another_try_would_not_help_is_told(
    tmp_path: Path, breaks: dict[str, list[EngineError]], builds: int
) -> None:
    engine = FakeEngine(breaks=breaks)
    done, _ = build(engine, tmp_path)
    assert isinstance(done, DeskError)
    assert engine.calls.count("build") == builds


def test_a_host_that_stays_out_of_reach_is_given_up_after_its_patience(tmp_path: Path) -> None:
    class Cut(FakeEngine):
        def build(self, *_: object) -> str:
            self.deaf = 10**9
            raise CUT

    done, said = build(Cut(), tmp_path, patience_s=0.05)
    assert isinstance(done, DeskError)
    assert set(said) == {"connecting", "building the image", "out of reach; connecting again"}


@pytest.mark.parametrize("labels", [{}, {"torch-compile-benchmark.schema": "1"}])
def test_a_pulled_image_must_hold_a_harness(tmp_path: Path, labels: dict[str, str]) -> None:
    machine = EngineMachine("t4", Address("ssh", "t4"), gpus=())
    source = ImageSource("pull", "registry.example/x@sha256:" + "0" * 64)
    host = Preparation(machine, FakeEngine(labels=labels), FakeEngine, source, Shipyard([]))
    with pytest.raises(DeskError, match="that image cannot be used"):
        host.ready(lambda _: None, tmp_path / "t4.log")

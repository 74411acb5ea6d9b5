"""Starting a harness on an engine that plays one."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from harness.contract.plan import Plan
from orchestrator.errors import HostError, NoHostError, StillThereError
from orchestrator.hosts import container, image, local
from orchestrator.hosts.contained import Berths, ContainedHost, Terms
from orchestrator.hosts.container import Lane
from orchestrator.hosts.engine import Container, EngineError, EngineFacts, LinkError
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.persistence import Persistence
from orchestrator.hosts.preparation import Preparation
from orchestrator.hosts.shipyard import Shipyard
from orchestrator.inventory.addresses import Address, Scheme
from orchestrator.inventory.engines import EngineMachine
from orchestrator.records.attempt_file import AttemptFile
from tests import factories
from tests.fake_engine import FakeEngine

TOKEN = "hf_" + "a1" * 15


def host(engine: FakeEngine, told: str = "end\n") -> ContainedHost:
    machine = EngineMachine("t4", Address("ssh", "t4"))
    preparation = Preparation(
        machine,
        engine,
        FakeEngine,
        ImageSource(),
        Shipyard(["t4"]),
        lambda _address, _script: told,
        persistence=Persistence(30.0, pause_s=0.0),
    )
    return ContainedHost("t4", Lane("0"), preparation, engine, Terms(), Berths())


def start(engine: FakeEngine, folder: Path, plan: Plan | None = None, told: str = "end\n") -> None:
    with (folder / "t4.1.jsonl").open("wb") as file:
        attempt = AttemptFile(
            "t4.1.jsonl", folder / "t4.1.log", file, "run-1", run="'my reports/run-1'"
        )
        host(engine, told).start(plan or factories.plan(), attempt, lambda _: None)


def test_an_image_that_is_missing_is_built_and_its_output_logged(tmp_path: Path) -> None:
    engine = FakeEngine()
    start(engine, tmp_path)
    assert engine.calls == ["connect", "build", "create", "start"]
    assert (tmp_path / "t4.1.log").read_text() == "Step 1/2 : FROM base\n"


CUT = LinkError("Connection reset by peer")


@pytest.mark.parametrize("broken", ["create", "start"])
def test_a_link_that_breaks_as_the_harness_is_started_costs_no_host(
    tmp_path: Path, broken: str
) -> None:
    engine = FakeEngine(breaks={broken: [CUT]})
    start(engine, tmp_path)
    assert engine.calls[-2:] == ["create", "start"]
    assert engine.calls.count("create") == 2


def test_what_may_have_begun_when_the_link_broke_makes_room(tmp_path: Path) -> None:
    class Unheard(FakeEngine):
        """It starts the container, and nobody hears of that."""

        def start(self, container: str, standard_input: bytes) -> None:
            super().start(container, standard_input)
            if self.breaks:
                labels = cast("dict[str, str]", self.settings["labels"])
                self.others = (Container("first", str(self.settings["name"]), labels, "running"),)
                raise CUT

        def remove(self, container: str) -> None:
            super().remove(container)
            self.breaks, self.others = {}, ()

    engine = Unheard(breaks={"remove": [CUT]})
    start(engine, tmp_path)
    assert engine.calls[-3:] == ["remove", "create", "start"]


def test_a_token_goes_to_standard_input_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\n")
    engine = FakeEngine()
    start(engine, tmp_path)
    assert engine.given.splitlines()[0] == TOKEN.encode()
    assert TOKEN not in repr(engine.settings)


def test_random_weights_need_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    engine = FakeEngine()
    start(engine, tmp_path, factories.plan(weights="random"))
    assert engine.given.startswith(b"\n{")


def test_a_container_bears_its_run_host_attempt_and_owner(tmp_path: Path) -> None:
    engine = FakeEngine()
    start(engine, tmp_path)
    labels = engine.settings["labels"]
    assert isinstance(labels, dict)
    assert labels[container.RUN] == "run-1"
    assert labels[container.HOST] == "t4"
    assert labels[container.ATTEMPT] == "t4.1.jsonl"
    assert "@" in labels[container.OWNER]


def test_a_container_that_cannot_start_does_not_stay(tmp_path: Path) -> None:
    text = 'could not select device driver "" with capabilities: [[gpu]]'
    engine = FakeEngine(refuses={"start": EngineError(text, 500)})
    with pytest.raises(HostError, match="cannot give GPUs"):
        start(engine, tmp_path)
    assert engine.calls[-2:] == ["remove", "close"]


def test_a_link_that_breaks_at_the_start_leaves_no_container_either(tmp_path: Path) -> None:
    engine = FakeEngine(
        refuses={"start": LinkError("starting the container took longer than 900 s")}
    )
    with pytest.raises(HostError, match="comes to no end"):
        start(engine, tmp_path)
    assert engine.calls[-3:] == ["connect", "remove", "close"]


def test_two_runs_do_not_measure_on_one_gpu(tmp_path: Path) -> None:
    labels = {container.RUN: "other", container.OWNER: "ann@desk", container.GPU: "0"}
    engine = FakeEngine(others=(Container("1", "x", labels, "running"),))
    with pytest.raises(HostError, match="busy: ann@desk measures there, run other"):
        start(engine, tmp_path)
    assert "create" not in engine.calls


OURS = {
    container.RUN: "run-1", container.HOST: "t4", container.GPU: "0",
    container.ATTEMPT: "t4.7.jsonl",
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "does"), [("running", "still measures"), ("exited", "still has what it measured")]
)
@pytest.mark.parametrize("gpu", ["0", "1"])  # the inventory may have changed meanwhile
def test_an_earlier_attempt_of_the_run_is_pointed_at_and_left_alone(
    tmp_path: Path, status: str, does: str, gpu: str
) -> None:
    name = "torch-compile-benchmark-run-1-t4"
    engine = FakeEngine(others=(Container("1", name, OURS | {container.GPU: gpu}, status),))
    with pytest.raises(StillThereError, match=f'host "t4" {does}') as caught:
        start(engine, tmp_path)
    assert caught.value.attempt == "t4.7.jsonl"
    assert caught.value.advice == "Follow it:  python orchestrate.py attach 'my reports/run-1'"
    assert not {"create", "remove"} & set(engine.calls)


def test_what_a_dead_desk_never_started_is_replaced(tmp_path: Path) -> None:
    engine = FakeEngine(others=(Container("1", "x", OURS, "created"),))
    start(engine, tmp_path)
    assert engine.calls[-3:] == ["remove", "create", "start"]


@pytest.mark.parametrize("scheme", ["unix", "tcp"])
def test_an_engine_of_the_machine_that_is_measured_itself_is_refused(
    tmp_path: Path, scheme: Scheme
) -> None:
    engine = FakeEngine(told=here())
    preparation = Preparation(
        EngineMachine("box", Address(scheme, "box")), engine, FakeEngine, ImageSource(),
        Shipyard([]), beside_local=True,
    )  # fmt: skip
    with pytest.raises(HostError, match='is this machine, which host "local" measures'):
        preparation.ready(lambda _: None, tmp_path / "box.log")


def test_an_engine_elsewhere_is_measured_beside_this_machine(tmp_path: Path) -> None:
    told = replace(here(), memory_bytes=here().memory_bytes + 4096)
    preparation = Preparation(
        EngineMachine("box", Address("tcp", "box")), FakeEngine(told=told), FakeEngine,
        ImageSource(), Shipyard([]), beside_local=True,
    )  # fmt: skip
    assert preparation.ready(lambda _: None, tmp_path / "box.log").facts == told


@pytest.mark.parametrize(("boot", "same"), [(local.boot_id(), True), ("0-0-0", False)])
def test_a_copy_of_this_machine_is_another_machine(
    tmp_path: Path, boot: str, *, same: bool
) -> None:
    preparation = Preparation(
        EngineMachine("box", Address("ssh", "box")), FakeEngine(told=here()), FakeEngine,
        ImageSource(), Shipyard([]), lambda _address, _script: f"Welcome!\n{boot}\n",
        beside_local=True,
    )  # fmt: skip
    with pytest.raises(HostError, match="is this machine") if same else contextlib.nullcontext():
        preparation.ready(lambda _: None, tmp_path / "box.log")


def here() -> EngineFacts:
    """What an engine of this machine says."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return EngineFacts(socket.gethostname(), "28.0", 8, memory_bytes, has_nvidia=True)


@pytest.mark.parametrize("status", ["created", "running"])
def test_one_machine_under_two_names_measures_once(tmp_path: Path, status: str) -> None:
    labels = {container.RUN: "run-1", container.HOST: "box", container.GPU: "0"}
    engine = FakeEngine(others=(Container("1", "x", labels, status),))
    with pytest.raises(HostError, match='"t4" is the machine of host "box"'):
        start(engine, tmp_path)
    assert "create" not in engine.calls


def test_a_machine_without_the_nvidia_runtime_is_found_before_an_image_is_built(
    tmp_path: Path,
) -> None:
    engine = FakeEngine(has_nvidia=False)
    with pytest.raises(HostError, match="cannot give GPUs"):
        start(engine, tmp_path)
    assert engine.calls == ["connect", "close"]


@pytest.mark.parametrize("told", ["toolkit\nend\n", "This account is limited.\n"])
def test_where_the_toolkit_is_or_nobody_can_tell_the_engine_decides(
    tmp_path: Path, told: str
) -> None:
    engine = FakeEngine(has_nvidia=False)
    start(engine, tmp_path, told=told)
    assert engine.calls[-1] == "start"


def test_a_strange_image_of_our_name_is_built_anew(tmp_path: Path) -> None:
    tag = image.build_input({}).tag
    engine = FakeEngine(images={tag: "sha256:strange"}, labels={"maintainer": "somebody"})
    start(engine, tmp_path)
    assert "build" in engine.calls
    assert "holds another harness" in (tmp_path / "t4.1.log").read_text()


def test_a_folder_of_this_machine_cannot_be_measured_elsewhere(tmp_path: Path) -> None:
    plan = factories.plan([factories.case(str(tmp_path))])
    with pytest.raises(NoHostError, match="cannot see the folder"):
        host(FakeEngine()).check(plan)

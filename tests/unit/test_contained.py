"""Starting a harness on an engine that plays one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plan import Plan
from orchestrator.addresses import Address
from orchestrator.errors import HostError, NoHostError
from orchestrator.hosts import container, image
from orchestrator.hosts.contained import Berths, ContainedHost, Terms
from orchestrator.hosts.container import Lane
from orchestrator.hosts.engine import Container, EngineError
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.preparation import Preparation, Shipyard
from orchestrator.inventory import Machine
from orchestrator.rundir import AttemptFile
from tests import factories
from tests.fake_engine import FakeEngine

TOKEN = "hf_" + "a1" * 15


def host(engine: FakeEngine, told: str = "end\n") -> ContainedHost:
    machine = Machine("t4", Address("ssh", "t4"))
    preparation = Preparation(
        machine, engine, ImageSource(), Shipyard(["t4"]), lambda _address, _script: told
    )
    return ContainedHost("t4", Lane("0"), preparation, engine, Terms(), Berths())


def start(engine: FakeEngine, folder: Path, plan: Plan | None = None, told: str = "end\n") -> None:
    with (folder / "t4.1.jsonl").open("wb") as file:
        attempt = AttemptFile("t4.1.jsonl", folder / "t4.1.log", file, "run-1")
        host(engine, told).start(plan or factories.plan(), attempt, lambda _: None)


def test_an_image_that_is_missing_is_built_and_its_output_logged(tmp_path: Path) -> None:
    engine = FakeEngine()
    start(engine, tmp_path)
    assert engine.calls == ["connect", "build", "create", "start"]
    assert (tmp_path / "t4.1.log").read_text() == "Step 1/2 : FROM base\n"


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


def test_two_runs_do_not_measure_on_one_gpu(tmp_path: Path) -> None:
    labels = {container.RUN: "other", container.OWNER: "ann@desk", container.GPU: "0"}
    engine = FakeEngine(others=(Container("1", "x", labels, "running"),))
    with pytest.raises(HostError, match="busy: ann@desk measures there, run other"):
        start(engine, tmp_path)
    assert "create" not in engine.calls


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
    tag = image.recipe({}).tag
    engine = FakeEngine(images={tag: "sha256:strange"}, labels={"maintainer": "somebody"})
    start(engine, tmp_path)
    assert "build" in engine.calls
    assert "holds another harness" in (tmp_path / "t4.1.log").read_text()


def test_a_folder_of_this_machine_cannot_be_measured_elsewhere(tmp_path: Path) -> None:
    plan = factories.plan([factories.case(str(tmp_path))])
    with pytest.raises(NoHostError, match="cannot see the folder"):
        host(FakeEngine()).check(plan)

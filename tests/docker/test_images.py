"""Where hosts get their image: one build for all of them, whatever lies between."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from orchestrator.hosts import container, image
from orchestrator.hosts.docker import DockerEngine
from orchestrator.hosts.image import BuildInput, ImageSource
from orchestrator.inventory import addresses
from orchestrator.inventory.engines import EngineMachine
from tests.docker import needs, registry, stand_in, trial
from tests.docker.bed import BedHost, Fleet
from tests.docker.engine import Engine
from tests.docker.real_image import RealImage
from tests.docker.trial import STEPS, STREAM, Trial, Watcher, machine

NAMES = ("a100", "t4", "v100")


pytestmark = pytest.mark.usefixtures("reach")


def image_id(host: BedHost) -> str | None:
    with contextlib.closing(host.engine.client()) as client:
        found = client.images.list(name=image.build_input({}).tag)
        return str(found[0].id) if found else None


def test_a_shipped_image_is_built_once_and_has_one_id_everywhere(
    fleet: Fleet, tmp_path: Path
) -> None:
    trial.ready(fleet, NAMES[:1])
    for name in NAMES[1:]:
        trial.forget_image(fleet[name])
    # The first host has the image under its tag, so its build is over at once.
    run = Trial.new(tmp_path, [machine(name) for name in NAMES])
    run.measure(source=ImageSource("ship"))
    assert run.watcher.troubles == dict.fromkeys(NAMES, "")
    assert [run.records(name) for name in NAMES] == [STREAM] * 3
    assert len({image_id(fleet[name]) for name in NAMES}) == 1


def test_shipping_goes_on_when_the_host_that_should_build_is_dead(
    fleet: Fleet, tmp_path: Path
) -> None:
    trial.ready(fleet, ["t4"])
    trial.forget_image(fleet["v100"])
    fleet["a100"].ssh.stop()
    run = Trial.new(tmp_path, [machine(name) for name in NAMES])
    run.measure(source=ImageSource("ship"))
    assert "no SSH server listens" in run.watcher.troubles["a100"]
    assert [run.records(name) for name in NAMES[1:]] == [STREAM] * 2
    assert run.exit_code() == 1


@pytest.mark.parametrize("broken", ["a100", "t4"])
def test_a_copy_whose_link_breaks_at_either_end_is_begun_again(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    # More than fits into one piece; the harness never gets as far as to say it.
    trial.ready(fleet, ["a100"], [*STEPS, os.urandom(16 << 20)])
    trial.forget_image(fleet["t4"])
    copies = []
    whole = DockerEngine.export

    def breaking(engine: DockerEngine, image: str) -> Iterator[bytes]:
        chunks = whole(engine, image)
        copies.append(next(chunks))
        yield copies[-1]
        if len(copies) == 1:
            fleet[broken].ssh.kill_sessions()
        yield from chunks

    monkeypatch.setattr(DockerEngine, "export", breaking)
    run = Trial.new(tmp_path, [machine("a100"), machine("t4")])
    run.measure(source=ImageSource("ship"))
    assert run.watcher.troubles == {"a100": "", "t4": ""}
    assert [run.records(name) for name in ("a100", "t4")] == [STREAM] * 2
    assert len(copies) == 2
    assert image_id(fleet["a100"]) == image_id(fleet["t4"])


@dataclass
class Breaker(Watcher):
    """Acts once, while the second step of a build is at work."""

    def doing(self, host: str, what: str) -> None:
        if what.startswith("building the image, step 2") and not self.acted:
            self.acted = True
            self.act()


def slow_build(host: BedHost) -> BuildInput:
    """What makes a stand-in in four seconds."""
    with contextlib.closing(host.engine.client()) as client:
        stand_in.load(client, "stand-in:base", STEPS)
    name = secrets.token_hex(8)  # no layer of it is there yet
    dockerfile = f"FROM stand-in:base\nRUN : {name}; sleep 4\n".encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        archive.addfile(entry, io.BytesIO(dockerfile))
    return BuildInput(context.getvalue(), {}, f"{image.REPOSITORY}:{name}")


@pytest.mark.parametrize(
    ("source", "end"), [("build", "link"), ("build", "stop"), ("build", "kill"), ("ship", "kill")]
)
def test_a_build_whose_link_or_engine_breaks_is_begun_again(
    fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: Literal["build", "ship"],
    end: str,
) -> None:
    host = fleet["t4"]
    build_input = slow_build(host)
    monkeypatch.setattr(image, "build_input", lambda _: build_input)

    def breaks() -> None:
        if end == "link":
            host.ssh.kill_sessions()
        else:
            getattr(host.engine, end)()
            host.engine.start()

    run = Trial.new(tmp_path, [machine("t4")])
    watcher = run.watcher = Breaker(act=breaks)
    run.measure(source=ImageSource(source))
    assert watcher.troubles == {"t4": ""}
    assert run.records("t4") == STREAM
    assert watcher.acted


def test_the_same_image_is_not_built_twice(fleet: Fleet, tmp_path: Path) -> None:
    trial.ready(fleet, NAMES[:1])
    before = image_id(fleet["a100"])
    run = Trial.new(tmp_path, [machine("a100")])
    run.measure()
    assert run.records("a100") == STREAM
    assert image_id(fleet["a100"]) == before
    assert not (run.folder.path / "logs" / "a100.1.log").exists()  # nothing was built


@pytest.mark.parametrize(
    ("source", "told"),
    [("build", "--image-source ship"), ("ship", "one host among --hosts that reaches")],
)
def test_hosts_without_network_are_told_how_to_get_the_image(
    fleet: Fleet, tmp_path: Path, source: Literal["build", "ship"], told: str
) -> None:
    for name in NAMES[:2]:
        trial.forget_image(fleet[name])
    run = Trial.new(tmp_path, [machine(name) for name in NAMES[:2]])
    run.measure(source=ImageSource(source))
    for name in NAMES[:2]:
        assert "it cannot reach the image's registry" in run.watcher.troubles[name]
        assert told in run.watcher.troubles[name]
    kept = run.folder.meta().troubles["t4.1.jsonl"]
    assert kept.preparing.startswith("building the image")
    assert run.exit_code() == 3


def pulled(engine: Engine, output: Path, reference: str) -> Trial:
    run = Trial.new(output, [EngineMachine("near", addresses.parse(engine.url), ())])
    run.measure(source=ImageSource("pull", reference))
    return run


def test_an_image_is_pulled_by_its_digest_once(engine: Engine, tmp_path: Path) -> None:
    needs.require("docker-registry")
    with registry.serving(tmp_path) as address:
        reference = registry.push(engine, address, STEPS)
        first = pulled(engine, tmp_path / "reports", reference)
    again = pulled(engine, tmp_path / "reports", reference)  # the registry is gone
    assert [run.watcher.troubles for run in (first, again)] == [{"near": ""}] * 2
    assert [run.records("near") for run in (first, again)] == [STREAM] * 2
    assert "Digest: sha256" in (first.folder.path / "logs" / "near.1.log").read_text()


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [({}, "it holds no harness"), ({container.SCHEMA: "1"}, "speaks version 1 of the records")],
)
def test_what_a_registry_gives_must_hold_a_harness_of_ours(
    engine: Engine, tmp_path: Path, labels: dict[str, str], sentence: str
) -> None:
    needs.require("docker-registry")
    with registry.serving(tmp_path) as address:
        reference = registry.push(engine, address, STEPS, labels)
        run = pulled(engine, tmp_path / "reports", reference)
        unknown = f"{reference.partition('@')[0]}@sha256:{'0' * 64}"
        missing = pulled(engine, tmp_path / "reports", unknown)
    assert sentence in run.watcher.troubles["near"]
    assert run.exit_code() == 3
    assert "no such image" in missing.watcher.troubles["near"]


def test_buildkit_understands_the_dockerfile_as_the_classic_builder_does(
    fleet: Fleet, seeded: RealImage
) -> None:
    # On a base that has all the packages, so that minutes become seconds; and from an index for
    # which there is no lock, because a lock has torch fetched again.
    changed = {"BASE_IMAGE": "equipped", "TORCH_INDEX": "http://127.0.0.1/unlocked"}
    engine = fleet["v100"].engine
    with contextlib.closing(engine.client()) as client:
        bare = client.containers.create(
            seeded.tag, entrypoint="userdel", command=["harness"], user="root", network_mode="none"
        )
        bare.start()
        assert bare.wait()["StatusCode"] == 0
        bare.commit("equipped", "latest", changes=["USER root"])
        arguments = image.build_input(seeded.arguments | changed).arguments
        pairs = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        done = subprocess.run(
            [
                *("/usr/bin/docker", "-H", engine.url, "build", "--network", "host"),
                *(*pairs, "--tag", "by-buildkit", image.ROOT),
            ],
            env=os.environ | {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert "exporting to image" in done.stderr  # the classic builder says "Successfully built"
        built = client.images.get("by-buildkit")
    assert image.is_ours(built.labels)
    assert built.attrs["Config"]["User"] == "10001:10001"
    assert built.attrs["Config"]["Entrypoint"] == ["tini", "--", "python", "-m", "harness"]

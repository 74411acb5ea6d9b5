"""Where hosts get their image: one build for all of them, whatever lies between."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from orchestrator.hosts import image
from orchestrator.hosts.image import ImageSource
from tests.docker import trial
from tests.docker.bed import BedHost, Fleet
from tests.docker.trial import STREAM, Trial, machine

NAMES = ("a100", "t4", "v100")


@pytest.fixture(autouse=True)
def reach(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)


def image_id(host: BedHost) -> str | None:
    with contextlib.closing(host.engine.client()) as client:
        found = client.images.list(name=image.recipe({}).tag)
        return str(found[0].id) if found else None


def forget_image(host: BedHost) -> None:
    with contextlib.closing(host.engine.client()) as client:
        for found in client.images.list(name=image.recipe({}).tag):
            client.images.remove(found.id, force=True)


def test_a_shipped_image_is_built_once_and_has_one_id_everywhere(
    fleet: Fleet, tmp_path: Path
) -> None:
    trial.ready(fleet, NAMES[:1])
    for name in NAMES[1:]:
        forget_image(fleet[name])
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
    forget_image(fleet["v100"])
    fleet["a100"].ssh.stop()
    run = Trial.new(tmp_path, [machine(name) for name in NAMES])
    run.measure(source=ImageSource("ship"))
    assert "nothing listens" in run.watcher.troubles["a100"]
    assert [run.records(name) for name in NAMES[1:]] == [STREAM] * 2
    assert run.exit_code() == 1


def test_the_same_image_is_not_built_twice(fleet: Fleet, tmp_path: Path) -> None:
    trial.ready(fleet, NAMES[:1])
    before = image_id(fleet["a100"])
    run = Trial.new(tmp_path, [machine("a100")])
    run.measure()
    assert run.records("a100") == STREAM
    assert image_id(fleet["a100"]) == before
    assert not (run.folder.path / "logs" / "a100.1.log").exists()  # nothing was built

"""The test bed as fixtures: laid once for all tests of this folder, removed whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docker import bed as beds
from tests.docker import needs, trial
from tests.docker import real_image as real_images
from tests.docker.bed import Bed, Fleet
from tests.docker.engine import Engine
from tests.docker.real_image import RealImage
from tests.docker.trial import Trial

NAMES: Final = ("a100", "t4", "v100")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine, and says so by its mark."""
    for item in items:
        if "tests/docker/" in item.path.as_posix():
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    """An empty bed. Skips where its parts are missing; fails there with REQUIRE_ALL=1."""
    needs.require("dockerd", "docker-init", "busybox", "nsenter")
    with beds.laid() as laid:
        yield laid


@pytest.fixture(scope="session")
def plain(bed: Bed) -> Engine:
    """One engine without SSH; use `engine`, which hands it out in order."""
    return bed.engine("plain")


@pytest.fixture
def engine(plain: Engine) -> Iterator[Engine]:
    """One engine on a unix socket, without containers; `engine.url` is its address."""
    yield plain
    plain.clear()
    plain.limit_memory(None)


@pytest.fixture(scope="session")
def machines(bed: Bed) -> Fleet:
    """The hosts a100, t4 and v100; use `fleet`, which hands them out in order."""
    needs.require("sshd", "ssh", "ip")
    return bed.fleet(NAMES)


@pytest.fixture(scope="session")
def real_image(bed: Bed) -> RealImage:
    """The image of the real Dockerfile: minutes when it is new, seconds when it is kept."""
    needs.require("mmdebstrap")
    return real_images.build(bed)


@pytest.fixture(scope="session")
def seeded(machines: Fleet, real_image: RealImage) -> RealImage:
    """The real image and all its layers on every host, as after a run in the past."""
    for host in machines.hosts.values():
        host.engine.stop()
        real_image.seed(host.engine)
        host.engine.start()
    return real_image


@pytest.fixture
def fleet(machines: Fleet) -> Iterator[Fleet]:
    """The hosts, as good as new afterwards: links up, servers and engines running, no container."""
    yield machines
    machines.restore()


@pytest.fixture
def reach(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the bed's hosts, and only those, from this process."""
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run(fleet: Fleet, tmp_path: Path) -> Trial:
    """The hosts a100 and t4 with the stand-in, about to measure."""
    trial.ready(fleet, NAMES[:2])
    return Trial.new(tmp_path, [trial.machine(name) for name in NAMES[:2]])

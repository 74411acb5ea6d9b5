"""The image of the real Dockerfile, on the stand-in base and with torch for the CPU.

One engine keeps it, with every layer, between runs; hosts get a copy of that engine's store. So
they hold the image and build it again, after a change of the harness, from cached layers.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docker import DockerClient

from tests.docker import base_image, surroundings
from tests.docker.bed import Bed

ROOT: Final = Path(__file__).resolve().parent.parent.parent
TAG: Final = "torch-compile-benchmark:test"
# torch for the CPU has this version wherever torch for a GPU has; Debian's Python finds its wheel.
TORCH: Final = {"TORCH_VERSION": "2.13.0", "TORCH_INDEX": ""}
# What an engine needs of another's store to have its images and their layers.
_STORE: Final = ("image", "overlay2")


@dataclass(frozen=True, slots=True)
class RealImage:
    """The built image, and a store that holds it."""

    id: str
    arguments: Mapping[str, str]
    store: Path

    def seed(self, data: Path) -> None:
        """Give its layers to an engine that is not running and has no image yet.

        By hard links where both lie on one file system: no engine writes into a layer.
        """
        data.mkdir(parents=True, exist_ok=True)
        for part in _STORE:
            subprocess.run(["rm", "-rf", data / part], check=True)
            for how in ("-al", "-a"):
                done = subprocess.run(["cp", how, self.store / part, data], capture_output=True)
                if done.returncode == 0:
                    break
            done.check_returncode()


def build(bed: Bed) -> RealImage:
    """Build it, or find that nothing has changed; one test run at a time."""
    store = base_image.cache() / "engine"
    with _alone():
        engine = bed.engine("builder", data=store)
        try:
            with contextlib.closing(engine.client()) as client:
                arguments = TORCH | {"BASE_IMAGE": base_image.load(client)}
                number = _build(client, arguments)
        finally:
            engine.stop()
    return RealImage(number, arguments, store)


def _build(client: DockerClient, arguments: Mapping[str, str]) -> str:
    here = surroundings.here()
    with surroundings.shelf(here.local_folders()):
        steps = client.api.build(
            path=str(ROOT),
            tag=TAG,
            buildargs=dict(arguments),
            network_mode="host",
            decode=True,
            rm=True,
        )
        for step in steps:
            sys.stdout.write(step.get("stream", ""))
            assert "error" not in step, step["error"]
    return str(client.images.get(TAG).id)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with (base_image.cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

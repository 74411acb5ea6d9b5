"""The image of the real Dockerfile, on the stand-in base and with torch for the CPU.

One engine keeps it, with every layer, between test runs; hosts get a copy of that engine's store.
So they have the image, and build it again after a change of the harness from cached layers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docker import DockerClient

from orchestrator.hosts import image
from orchestrator.hosts.docker import DockerEngine
from orchestrator.hosts.image import BuildInput
from orchestrator.inventory.addresses import Address
from tests.docker import base_image, surroundings
from tests.docker.bed import Bed
from tests.docker.engine import Engine

ROOT: Final = image.ROOT
# torch for the CPU has this version wherever torch for a GPU has; Debian's Python finds its wheel.
_TORCH: Final = {"TORCH_VERSION": "2.13.0", "TORCH_INDEX": ""}
# From one store, $1, to another, $2: all that describes images and layers, but not a layer's files.
_SEED: Final = """
rm -rf "$2/image" "$2/overlay2"
mkdir -p "$2/overlay2"
cp -a "$1/image" "$2/"
cp -a "$1/overlay2/l" "$2/overlay2/"
for layer in "$1"/overlay2/*/diff; do
  layer=${layer%/diff}
  copy=$2/overlay2/${layer##*/}
  mkdir -m 710 "$copy"
  find "$layer" -maxdepth 1 -type f -exec cp -a {} "$copy/" ";"
  mkdir -m 755 "$copy/diff"
  mkdir -m 700 "$copy/work"
done
"""


@dataclass(frozen=True, slots=True)
class RealImage:
    """The built image: its id, its tag, what it was built with, and a store that holds it."""

    id: str
    tag: str
    arguments: Mapping[str, str]
    store: Path

    @property
    def options(self) -> list[str]:
        """The options with which a run builds this very image."""
        pairs = (f"{name}={value}" for name, value in self.arguments.items())
        return [word for pair in pairs for word in ("--build-arg", pair)]

    def seed(self, engine: Engine) -> None:
        """Give its layers to an engine that is not running; images it had are gone.

        The files of a layer, fifty thousand in all, are not copied but lent.
        """
        engine.machine.run("sh", "-euc", _SEED, "sh", str(self.store), str(engine.data))
        engine.lender = self.store


def build(bed: Bed) -> RealImage:
    """Build it, or find that nothing has changed; one test run at a time."""
    store = base_image.cache() / "engine"
    with base_image.alone():
        engine = bed.engine("builder", data=store)
        try:
            with contextlib.closing(engine.client()) as client:
                arguments = _TORCH | {"BASE_IMAGE": base_image.load(client)}
                build_input = image.build_input(arguments)
                number = _build(engine, build_input)
                _forget_old(client)
        finally:
            engine.stop()
    return RealImage(number, build_input.tag, arguments, store)


def _build(engine: Engine, build_input: BuildInput) -> str:
    """With the very code that builds it on a host."""
    builder = DockerEngine(Address("unix", path=str(engine.socket)))
    with surroundings.shelf(surroundings.here().local_folders()), contextlib.closing(builder):
        builder.connect()
        found = builder.image(build_input.tag)
        if found is not None:
            return found.id
        return builder.build(build_input.context, build_input.tag, build_input.arguments, print)


def _forget_old(client: DockerClient) -> None:
    """Keep the latest states of harness and base, so that the store does not grow for ever."""
    for repository in (image.REPOSITORY, base_image.REPOSITORY):
        images = client.images.list(name=repository)
        latest_first = sorted(images, key=lambda one: str(one.attrs["Created"]), reverse=True)
        for one in latest_first[base_image.KEPT :]:
            for tag in one.tags:
                client.images.remove(tag)
    client.containers.prune()
    client.images.prune()

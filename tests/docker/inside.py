"""What a test does to the one container of a host, or learns of it, beside the desk."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from docker.models.containers import Container

from tests.docker.engine import Engine


@contextlib.contextmanager
def the_container(engine: Engine) -> Iterator[Container]:
    """The one that runs."""
    with contextlib.closing(engine.client()) as client:
        (made,) = client.containers.list()
        yield made


def kill(engine: Engine) -> None:
    with the_container(engine) as made:
        made.kill()


def remove(engine: Engine) -> None:
    with the_container(engine) as made:
        made.remove(force=True)


def printed(engine: Engine) -> bytes:
    """Its records so far."""
    with the_container(engine) as made:
        return bytes(made.logs(stderr=False))


def inspected(engine: Engine) -> str:
    """All that the engine tells of it."""
    with the_container(engine) as made:
        return json.dumps(made.attrs)


def names(engine: Engine) -> list[str]:
    """Of all containers, whether they run or not."""
    with contextlib.closing(engine.client()) as client:
        return [each.name for each in client.containers.list(all=True)]


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a stand-in waits (stand_in.GATE). Opens without the engine, which may be down."""

    engine: Engine
    pid: int

    @classmethod
    def of(cls, engine: Engine) -> Gate:
        with the_container(engine) as made:
            return cls(engine, int(made.attrs["State"]["Pid"]))

    def open(self) -> None:
        """Nothing happens where the container is gone."""
        self.engine.machine.run("sh", "-c", f": > /proc/{self.pid}/root/tmp/go", check=False)

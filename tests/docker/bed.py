"""The test bed: three hosts behind SSH, each with a real engine; and plain single engines.

Everything of one bed lies in one folder and bears its name. Processes and mounts cannot outlive
the test run (see machine); folder and control groups of a run that was killed are removed by the
next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.docker.engine import Engine
from tests.docker.lan import Lan
from tests.docker.machine import Machine, wait_until
from tests.docker.ssh import USER, Client, Server

# On a disk: an engine's overlay does not work on every tmpfs. Short: sockets allow 108 bytes.
_ROOM: Final = Path("/var/tmp")
_PREFIX: Final = "vision-bed-"
_LOCK: Final = "lock"
# Held while a bed is laid or swept away: test runs begin side by side.
_DOOR: Final = _ROOM / "vision-bed.lock"
_CGROUPS: Final = Path("/sys/fs/cgroup")


@dataclass(slots=True)
class BedHost:
    """One GPU host, as the bed plays it."""

    machine: Machine
    engine: Engine
    ssh: Server
    lan: Lan

    @property
    def name(self) -> str:
        return self.machine.name

    def cut(self) -> None:
        """Lose the link; what runs on the host goes on."""
        self.lan.cut(self.name)

    def mend(self) -> None:
        self.lan.mend(self.name)

    def forbid_docker(self) -> None:
        """Take the user out of the group that may use the socket."""
        self.machine.run("gpasswd", "--delete", USER, "docker")

    def allow_docker(self) -> None:
        self.machine.run("gpasswd", "--add", USER, "docker")

    def restore(self) -> None:
        """Undo whatever a test did to this host, short of switching it off."""
        self.mend()
        self.allow_docker()
        self.ssh.restart()
        if not self.engine.answers():
            self.engine.start()
        self.engine.clear()
        self.engine.limit_memory(None)


@dataclass(slots=True)
class Bed:
    """A folder for everything, and what runs in it."""

    folder: Path
    machines: list[Machine] = field(default_factory=list)

    @property
    def tag(self) -> str:
        return self.folder.name

    def engine(self, name: str, data: Path | None = None) -> Engine:
        """A single engine in this machine's own network, for tests that need no SSH."""
        machine = self._boot(name, own_network=False)
        engine = Engine(machine, data or machine.folder / "data", f"{self.tag}/{name}")
        engine.start()
        return engine

    def apart(self, name: str) -> Engine:
        """A single engine, not started yet, with a network of its own for its containers."""
        machine = self._boot(name)
        return Engine(machine, machine.folder / "data", f"{self.tag}/{name}", bridge=True)

    def fleet(self, names: Sequence[str]) -> Fleet:
        """Hosts with an engine each, reached by SSH under their names."""
        lan = Lan(self._boot("desk"))
        lan.start()
        client = Client(self.folder / "user", lan.desk)
        client.prepare()
        hosts = {name: self._host(name, lan, client) for name in names}
        for number, host in enumerate(hosts.values()):
            host.engine.pin(number)
            host.engine.launch()
        for host in hosts.values():
            host.engine.wait()
        client.learn([host.ssh for host in hosts.values()])
        return Fleet(hosts, client, lan)

    def close(self) -> None:
        """Remove all of it."""
        for machine in self.machines:
            machine.cut_power()
        for machine in self.machines:
            machine.power_off()
        self.machines.clear()
        _remove(self.folder)

    def _host(self, name: str, lan: Lan, client: Client) -> BedHost:
        machine = self._boot(name)
        server = Server(machine, lan.plug(machine))
        server.prepare(client.key)
        server.start()
        engine = Engine(machine, machine.folder / "data", f"{self.tag}/{name}")
        return BedHost(machine, engine, server, lan)

    def _boot(self, name: str, *, own_network: bool = True) -> Machine:
        machine = Machine(name, self.folder / name, own_network)
        self.machines.append(machine)
        machine.start()
        return machine


@dataclass(slots=True)
class Fleet:
    """The hosts of a bed and the user who reaches them."""

    hosts: dict[str, BedHost]
    client: Client
    lan: Lan

    def __getitem__(self, name: str) -> BedHost:
        return self.hosts[name]

    def restore(self) -> None:
        """Make the hosts as good as new."""
        for host in self.hosts.values():
            host.restore()
        self.client.learn([host.ssh for host in self.hosts.values()])

    def environment(self) -> dict[str, str]:
        """The environment of a command that is to reach the hosts by their names.

        Nothing of the user who runs the tests is seen: no inventory, no Docker context.
        """
        home = self.client.folder / "home"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        shutil.copy(self.client.config, home / ".ssh" / "config")  # to list names from
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        return kept | {"PATH": f"{self.client.bin}:{os.environ['PATH']}", "HOME": str(home)}


@contextlib.contextmanager
def laid() -> Iterator[Bed]:
    """A bed for the length of a block; what dead runs left is removed first."""
    sweep()
    with contextlib.ExitStack() as life:
        with _alone():
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_ROOM))
            lock = life.enter_context((folder / _LOCK).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Who logs in must be able to pass; what is secret in here is so by its own mode.
        folder.chmod(0o755)
        bed = Bed(folder)
        try:
            yield bed
        finally:
            bed.close()


def sweep() -> None:
    """Remove folders and control groups of beds whose test run is gone."""
    with _alone():
        for folder in _ROOM.glob(f"{_PREFIX}*"):
            if _abandoned(folder):
                _remove(folder)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with _DOOR.open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def _abandoned(folder: Path) -> bool:
    """Whether nobody holds the bed's lock any more; one that is being removed may have none."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), (folder / _LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _remove(folder: Path) -> None:
    # One hierarchy (version 2), or one a controller (version 1).
    tops = [top / folder.name for top in (_CGROUPS, *_CGROUPS.glob("*/"))]
    groups = [group for top in tops if top.exists() for group in (top, *top.rglob("*/"))]
    for group in sorted(groups, reverse=True):  # the innermost first
        wait_until(functools.partial(_removed, group), f"{group} is left")
    # The lock last: a folder without one is taken for a bed that is just being laid.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == _LOCK):
        subprocess.run(["rm", "-rf", str(path)], check=True)
    folder.rmdir()


def _removed(group: Path) -> bool:
    """The kernel lets go of a control group a moment after its last process."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()

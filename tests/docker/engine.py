"""A real Docker engine on a machine of the test bed."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import docker

from tests.docker.machine import Machine, wait_until

GATEWAY: Final = "10.78.0.1"
_CGROUPS: Final = Path("/sys/fs/cgroup")
# Mounts the layers that a store, $1, lends to another, $2. An engine mounts its store over itself,
# and would cover ours, unless it is a shared mount already; it unmounts all of it when it ends.
_LEND: Final = """
mountpoint -q "$2" || mount --bind "$2" "$2"
mount --make-shared "$2"
for layer in "$1"/overlay2/*/diff; do
  layer=${layer%/diff}
  copy=$2/overlay2/${layer##*/}/diff
  if [ -d "$copy" ] && ! mountpoint -q "$copy"; then mount -o bind,ro "$layer/diff" "$copy"; fi
done
"""


@dataclass(slots=True)
class Engine:
    """One dockerd. `socket` is for the tests; `/run/docker.sock` in there is for who logs in.

    `lender` is the store of another engine, whose layers this one may read. With `bridge` its
    containers have a network, which ends at GATEWAY.
    """

    machine: Machine
    data: Path
    cgroup: str
    live_restore: bool = True
    lender: Path | None = None
    bridge: bool = False
    pid: int = field(init=False, default=0)

    @property
    def socket(self) -> Path:
        return self.machine.folder / "docker.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def log(self) -> Path:
        return self.machine.folder / "dockerd.log"

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start without waiting, so that several engines start at once."""
        folder = self.machine.folder
        if self.lender is not None:
            self.machine.run("sh", "-euc", _LEND, "sh", str(self.lender), str(self.data))
        live_restore = ["--live-restore"] if self.live_restore else []
        self.pid = self.machine.spawn(
            self.log,
            *("dockerd", "--data-root", str(self.data), "--exec-root", str(folder / "exec")),
            *("--pidfile", str(folder / "dockerd.pid"), "--config-file", str(self._config())),
            *("-H", self.url, "-H", "unix:///run/docker.sock"),
            *self._network(),
            *live_restore,
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{self.cgroup}"),
        )

    def _network(self) -> list[str]:
        if not self.bridge:
            return ["--bridge=none", "--iptables=false"]
        own = ("--iptables=false", "--ip-forward=false", "--ip-masq=false")
        return [f"--bip={GATEWAY}/24", *own]

    def wait(self) -> None:
        """Wait until the engine answers."""
        wait_until(self.answers, f"the engine of {self.machine.name} answers", self.log.read_text)

    def answers(self) -> bool:
        # docker-py forgets to close a socket that finds nobody, so knock first.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as door:
            door.connect(str(self.socket))
            with contextlib.closing(self.client()) as client:
                return bool(client.ping())
        return False

    def client(self) -> docker.DockerClient:
        """A client on the engine's own socket, for what the tests themselves want to know."""
        return docker.DockerClient(base_url=self.url, version="1.41", timeout=120)

    def clear(self) -> None:
        """Remove every container and volume; images stay."""
        with contextlib.closing(self.client()) as client:
            for container in client.containers.list(all=True):
                container.remove(force=True, v=True)
            client.volumes.prune()

    def stop(self) -> None:
        """End it as an administrator would, by SIGTERM; containers stay if `live_restore`."""
        self.machine.signal(self.pid, "TERM")
        self._wait_for_the_end()

    def kill(self) -> None:
        """End it by SIGKILL; containers stay."""
        self.machine.signal(self.pid, "KILL")
        self._wait_for_the_end()

    def limit_memory(self, limit_bytes: int | None) -> None:
        """Let all containers together have this much; the engine goes on telling the machine's."""
        top, file, unlimited = _CGROUPS, "memory.max", "max"
        if (_CGROUPS / "memory").exists():  # version 1 of control groups
            top, file, unlimited = _CGROUPS / "memory", "memory.limit_in_bytes", "-1"
        group = top / self.cgroup
        group.mkdir(parents=True, exist_ok=True)
        (group / file).write_text(str(limit_bytes or unlimited))

    def pin(self, number: int) -> None:
        """Let all containers together use one core: three hosts on this one machine, each with a
        thread for every core, would spend their time waiting for each other's."""
        first = (_CGROUPS / "cpuset").exists()  # version 1 of control groups
        top = _CGROUPS / "cpuset" if first else _CGROUPS
        group = top / self.cgroup
        cores = sorted(os.sched_getaffinity(0))
        wanted = {group.parent: cores, group: [cores[number % len(cores)]]}
        for folder, some in wanted.items():
            if not first:
                (folder.parent / "cgroup.subtree_control").write_text("+cpuset")
            folder.mkdir(exist_ok=True)
            (folder / "cpuset.mems").write_text("0")
            (folder / "cpuset.cpus").write_text(",".join(map(str, some)))

    def _wait_for_the_end(self) -> None:
        wait_until(lambda: not self.machine.alive(self.pid), "dockerd ends", self.log.read_text)
        wait_until(self._no_containerd, "containerd ends", self.log.read_text)
        for left in ("dockerd.pid", "exec/containerd/containerd.pid"):
            (self.machine.folder / left).unlink(missing_ok=True)

    def _no_containerd(self) -> bool:
        return not self.machine.run("pgrep", "-x", "containerd", check=False).strip()

    def _config(self) -> Path:
        path = self.machine.folder / "daemon.json"
        path.write_text("{}")
        return path

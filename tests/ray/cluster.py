"""A real Ray cluster on this machine: a head and a few nodes, each with processes of its own.

Nodes have addresses of 127.0.0.0/8 and a process namespace each, so that one can be killed at once
with all that runs on it, as a machine that loses its power. GPUs are pretended: Ray only counts
them. A token is asked for. What the nodes call python is a stand-in for the harness, unless the
stage says that they are to measure for real.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RAY: Final = Path(os.environ.get("RAY_VENV") or ROOT / ".venv-ray") / "bin"
TOKEN: Final = "token-of-the-tests-0123456789abcdef"
_STAND_IN: Final = Path(__file__).with_name("stand_in.py")
_LIMIT_S: Final = 180.0


@dataclass
class Node:
    """A machine of the cluster. `kind` is its accelerator; of the resource "slot" it has one."""

    name: str
    address: str
    kind: str = ""
    gpus: int = 0
    process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """Everything on it at once, without a word to anybody."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass
class Cluster:
    """Nodes by name, and the stage: what the stand-in is to do, and what it did."""

    folder: Path
    nodes: dict[str, Node] = field(default_factory=dict)
    ports: Iterator[int] = field(default_factory=lambda: iter(_free_ports(40)))
    gcs: int = 0
    dashboard: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.nodes['head'].address}:{self.dashboard}"

    @property
    def measures(self) -> Path:
        """While this file is there, nodes measure for real."""
        return self.stage / "real"

    @property
    def stage(self) -> Path:
        return self.folder / "stage"

    def start(self, nodes: Sequence[Node]) -> None:
        self.stage.mkdir()
        head = Node("head", "127.77.0.1")
        self.gcs, self.dashboard = next(self.ports), next(self.ports)
        client = f"--ray-client-server-port={next(self.ports)}"
        self._launch(
            head, "--head", f"--port={self.gcs}", f"--dashboard-host={head.address}",
            f"--dashboard-port={self.dashboard}", client, f"--temp-dir={self.folder / 'r'}",
        )  # fmt: skip
        self._wait(lambda: bool(self.ask("/api/version")))
        for node in nodes:  # one after the other: together they take longer than Ray waits
            self.join(node)

    def join(self, node: Node) -> None:
        self._wait(lambda: node.address not in self.alive())  # until it is known to be dead
        labels = (f"--labels=ray.io/accelerator-type={node.kind}",) if node.kind else ()
        resources = '--resources={"slot": 1}'
        self._launch(
            node, f"--address=127.77.0.1:{self.gcs}", resources, *labels
        )  # fmt: skip
        self._wait(lambda: node.address in self.alive())

    def alive(self) -> dict[str, str]:
        """The addresses of the nodes that the head believes to live, with their ids; none where a
        busy machine keeps it from answering."""
        told = json.loads(self.ask("/nodes?view=summary") or '{"data": {"summary": []}}')
        return {
            str(one["raylet"]["nodeManagerAddress"]): str(one["raylet"]["nodeId"])
            for one in told["data"]["summary"]
            if one["raylet"].get("state") == "ALIVE"
        }

    def address_of(self, node: str) -> str:
        """Where a node is that jobs name by the start of its id."""
        told = json.loads(self.ask("/nodes?view=summary"))["data"]["summary"]
        (raylet,) = [one["raylet"] for one in told if one["raylet"]["nodeId"].startswith(node)]
        return str(raylet["nodeManagerAddress"])

    def ask(self, path: str) -> bytes:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return bytes(response.read())
        except OSError:
            return b""

    def stop(self) -> None:
        for node in reversed(self.nodes.values()):
            node.kill()

    def _launch(self, node: Node, *how: str) -> None:
        self.nodes[node.name] = node
        names = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent")
        ports = [f"--{name}-port={next(self.ports)}" for name in names]
        with (self.folder / f"{node.name}.log").open("ab") as log:
            node.process = subprocess.Popen(
                [
                    # It dies with whoever started it, so that no killed test run leaves a cluster.
                    "setpriv", "--pdeathsig", "KILL",
                    "unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                    str(RAY / "ray"), "start", "--block", "--disable-usage-stats",
                    f"--node-ip-address={node.address}", "--num-cpus=4", f"--num-gpus={node.gpus}",
                    "--object-store-memory=80000000", "--memory=500000000",
                    f"--metrics-export-port={next(self.ports)}", *ports, *how,
                ],
                env=self._environment(node), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _environment(self, node: Node) -> dict[str, str]:
        tools = self.folder / f"tools-{node.name}"
        tools.mkdir(exist_ok=True)
        python = tools / "python"
        python.unlink(missing_ok=True)
        python.write_text(
            f'#!/bin/sh\n[ -e "$STAGE/real" ] && exec {ROOT}/.venv/bin/python "$@"\n'
            f'exec {RAY}/python -S {_STAND_IN} "$@"\n'
        )
        python.chmod(0o755)
        return {
            "PATH": f"{tools}:{RAY}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "STAGE": str(self.stage),
            "NODE": node.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            # Addresses of the loopback are all one machine to Ray.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
            "OMP_NUM_THREADS": "1",
            # A dead node is known after 3 s instead of 15; one that is merely busy has 10 s for
            # each answer, as ever.
            "RAY_health_check_period_ms": "500",
            # On a busy machine a node may take longer than half a minute.
            "RAY_raylet_start_wait_time_s": "150",
            # Python processes to spare, which no job of ours uses.
            "RAY_enable_worker_prestart": "0",
            "RAY_prestart_worker_first_driver": "0",
        }

    def _wait(self, done: object) -> None:
        assert callable(done)
        until_s = time.monotonic() + _LIMIT_S
        while not done():
            assert time.monotonic() < until_s, f"see the logs in {self.folder}"
            time.sleep(0.2)


def missing() -> str:
    """Why there can be no cluster here; empty if there can."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return "needs Linux and root: process namespaces of its own"
    if not (RAY / "ray").exists():
        return "needs Ray in an environment of its own: make ray-test"
    return ""


@contextmanager
def running(folder: Path, nodes: Sequence[Node]) -> Iterator[Cluster]:
    """A cluster in a short folder: Ray's sockets have long names."""
    cluster = Cluster(folder)
    try:
        cluster.start(nodes)
        yield cluster
    finally:
        cluster.stop()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.77.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()

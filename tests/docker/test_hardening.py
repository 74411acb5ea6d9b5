"""What a harness can do that has turned against its host, tried from inside its container."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.hosts import container
from orchestrator.hosts.container import Lane
from orchestrator.hosts.tunnel import Tunnel
from orchestrator.inventory.addresses import Address
from tests.crash.sweep import forked
from tests.docker.bed import Fleet
from tests.docker.machine import wait_until
from tests.docker.real_image import RealImage

MEMORY_BYTES = 1 << 30
# Tries what is forbidden, and says how each attempt ended: "done", or the name of the error.
PROBE = r"""
import ctypes, json, os, pathlib, resource, socket, subprocess

def tried(act):
    try:
        act()
    except Exception as error:
        return errno(error)
    return "done"

def errno(error):
    return os.strerror(error.errno) if getattr(error, "errno", None) else type(error).__name__

def first(*paths):
    for path in paths:
        if pathlib.Path(path).exists():
            return pathlib.Path(path).read_text().strip()

def mount():
    if ctypes.CDLL(None, use_errno=True).mount(b"none", b"/tmp", b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "mount")

def connect(*address):
    socket.create_connection(address, timeout=2).close()

status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
places = ("/probe", "/etc/passwd", "/usr/bin/probe", "/opt/benchmark/harness/x.py", "/opt/venv/x")
print(json.dumps({
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "writes": {place: tried(lambda: open(place, "a").close()) for place in places},
    "root_is_read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
    "tmp": tried(lambda: open("/tmp/probe", "w").close()),
    "cache": tried(lambda: open("/cache/probe", "w").close()),
    "capabilities": {name: status[name].strip() for name in status if name.startswith("Cap")},
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "become_root": tried(lambda: os.setuid(0)),
    "mount": tried(mount),
    "own": tried(lambda: os.chown("/tmp/probe", 0, 0)),
    "device": tried(lambda: os.mknod("/tmp/device", 0o600 | 0o020000, os.makedev(1, 3))),
    "interfaces": sorted(os.listdir("/sys/class/net")),
    "outside": tried(lambda: connect("192.0.2.1", 443)),
    "docker_socket": [p for p in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(p)],
    "processes": first("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"),
    "memory": first("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "shm": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
    "tmp_size": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize,
    "processes_seen": [p for p in os.listdir("/proc") if p.isdigit()],
    "environment": sorted(os.environ),
}))
"""


@pytest.fixture(scope="module")
def found(machines: Fleet, seeded: RealImage) -> dict[bool, dict[str, Any]]:
    """What the probe says in a container of the real image, made as a run makes it: with random
    weights, and with pretrained ones."""
    with contextlib.closing(machines["t4"].engine.client()) as client:
        answers = {}
        for pretrained in (False, True):
            settings = container.settings(
                image=seeded.id, name=f"probe-{pretrained}", labels={}, lane=Lane(None), cpus=1,
                memory_bytes=MEMORY_BYTES, pretrained=pretrained, limit_s=60,
            )  # fmt: skip
            made = client.containers.create(
                **settings | {"entrypoint": ["tini", "--", "python", "-c", PROBE], "command": []}
            )
            made.start()
            assert made.wait()["StatusCode"] == 0, made.logs()
            answers[pretrained] = json.loads(made.logs(stderr=False))
            made.remove(v=True)
        return answers


both = pytest.mark.parametrize("pretrained", [False, True])


@both
def test_nothing_is_writable_but_tmp_and_with_pretrained_weights_the_cache(
    found: dict[bool, dict[str, Any]], pretrained: bool
) -> None:
    assert found[pretrained]["root_is_read_only"]
    assert "done" not in found[pretrained]["writes"].values()
    assert found[pretrained]["tmp"] == "done"
    assert found[pretrained]["cache"] == ("done" if pretrained else "Read-only file system")


@both
def test_it_is_nobody_and_cannot_become_somebody(
    found: dict[bool, dict[str, Any]], pretrained: bool
) -> None:
    probe = found[pretrained]
    assert probe["user"] == [10001, 10001, [10001]]
    assert set(probe["capabilities"].values()) == {"0" * 16}
    assert probe["no_new_privileges"] == "1"
    refused = {probe[act] for act in ("become_root", "mount", "own", "device")}
    assert refused == {"Operation not permitted"}


def test_with_random_weights_there_is_no_network_at_all(found: dict[bool, dict[str, Any]]) -> None:
    assert found[False]["interfaces"] == ["lo"]
    assert found[False]["outside"] == "Network is unreachable"


@both
def test_its_limits_are_in_force_and_the_engine_is_out_of_reach(
    found: dict[bool, dict[str, Any]], pretrained: bool
) -> None:
    probe = found[pretrained]
    assert int(probe["processes"]) == 4096
    assert int(probe["memory"]) <= MEMORY_BYTES * 0.9
    assert probe["shm"] == 1 << 30
    assert probe["tmp_size"] <= MEMORY_BYTES
    assert probe["docker_socket"] == []
    assert len(probe["processes_seen"]) < 5  # its own
    assert not [name for name in probe["environment"] if "TOKEN" in name]


def test_the_tunnel_is_the_users_alone_and_gone_afterwards(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)
    tunnel = Tunnel(Address("ssh", "t4"))
    socket = tunnel.open()
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    tunnel.close()
    assert not socket.parent.exists()


def test_the_tunnel_of_a_killed_desk_is_gone_too(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)
    told = tmp_path / "told"

    def desk() -> None:
        told.write_text(str(Tunnel(Address("ssh", "t4")).open()))
        time.sleep(60)

    process = forked(desk)
    wait_until(lambda: told.exists() and bool(told.read_text()), "the tunnel is open")
    socket = Path(told.read_text())
    assert socket.exists()
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    wait_until(lambda: not socket.parent.exists(), "the tunnel's folder is gone")

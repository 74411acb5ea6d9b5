"""Doctor against real engines behind real SSH, healthy and not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.hosts.image import ROOT
from tests.docker import trial
from tests.docker.bed import BedHost, Fleet

CPU_ONLY = "".join(
    f'[hosts.{name}]\ndocker = "ssh://{name}"\ngpu = "none"\n' for name in ("a100", "t4", "v100")
)
NVIDIA_SMI = "echo '0, GPU-1, Tesla V100-SXM2-16GB, 535.183.01, 7.0'"
CURRENT = ("--build-arg", "TORCH_VERSION=2.15.0", "--build-arg", "TORCH_INDEX=")


def doctor(
    fleet: Fleet, folder: Path, *options: str, inventory: str = CPU_ONLY
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command; returns its exit code and, by host and subject, its lines."""
    (folder / "hosts.toml").write_text(inventory)
    done = subprocess.run(
        [sys.executable, ROOT / "orchestrate.py", "doctor", "--json", *options],
        cwd=folder,
        env=fleet.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr
    hosts = json.loads(done.stdout)["hosts"]
    lines = {one["host"]: {line["subject"]: line for line in one["checks"]} for one in hosts}
    return done.returncode, lines


def plant_gpu(host: BedHost) -> None:
    """What a host with a V100 would answer: the driver's and the toolkit's commands."""
    tools = host.machine.folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, content in (("nvidia-smi", NVIDIA_SMI), ("nvidia-container-runtime-hook", "")):
        (tools / name).write_text(f"#!/bin/sh\n{content}\n")
        (tools / name).chmod(0o755)
    host.ssh.restart(f"SetEnv PATH={tools}:/usr/bin:/bin")


def test_healthy_hosts_can_measure(fleet: Fleet, tmp_path: Path) -> None:
    for host in fleet.hosts.values():
        trial.forget_image(host)
    code, found = doctor(fleet, tmp_path, "--hosts", "a100,t4,v100")
    assert code == 0
    for lines in found.values():
        assert [line["state"] for line in lines.values()] == [
            "good", "good", "good", "unknown", "good"
        ]  # fmt: skip
        assert list(lines) == ["SSH", "Docker engine", "Free disk", "Image", "Clock"]
        assert lines["Clock"]["found"] == "right"


def test_hosts_without_driver_cannot_measure_a_gpu(fleet: Fleet, tmp_path: Path) -> None:
    code, found = doctor(fleet, tmp_path, "--hosts", "a100,t4", inventory="")
    assert code == 3
    assert found["t4"]["NVIDIA runtime"]["state"] == "bad"
    assert "nvidia-ctk runtime configure" in found["t4"]["NVIDIA runtime"]["mend"]
    assert "nvidia-smi is missing" in found["a100"]["GPU and driver"]["found"]


def test_a_v100_needs_the_portable_image(fleet: Fleet, tmp_path: Path) -> None:
    plant_gpu(fleet["v100"])
    code, found = doctor(fleet, tmp_path, "--hosts", "v100", inventory="")
    assert code == 0
    assert found["v100"]["NVIDIA runtime"]["state"] == "good"
    assert found["v100"]["Compute capability"]["state"] == "good"
    code, found = doctor(fleet, tmp_path, "--hosts", "v100", *CURRENT, inventory="")
    assert code == 3
    assert "cu126" in found["v100"]["Compute capability"]["mend"]
    assert "580 or newer" in found["v100"]["GPU and driver"]["found"]


def test_each_broken_host_is_told_apart_and_the_others_are_judged(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet["a100"].ssh.new_host_key()
    fleet["a100"].ssh.restart()
    fleet["t4"].forbid_docker()
    code, found = doctor(fleet, tmp_path, "--hosts", "a100,t4,v100")
    assert code == 1
    assert list(found["a100"]) == ["SSH"]
    assert "host key" in found["a100"]["SSH"]["found"]
    assert '-R "10.' in found["a100"]["SSH"]["mend"]
    assert found["t4"]["SSH"]["state"] == "good"
    assert "usermod -aG docker" in found["t4"]["Docker engine"]["mend"]
    assert found["v100"]["Docker engine"]["state"] == "good"


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (lambda host: host.engine.stop(), "systemctl start docker"),
        (lambda host: host.engine.kill(), "systemctl start docker"),  # its socket stays
        (lambda host: host.ssh.restart("AllowTcpForwarding no"), "AllowTcpForwarding"),
    ],
)
def test_an_engine_that_cannot_be_reached_is_no_fault_of_ssh(
    fleet: Fleet, tmp_path: Path, breaks: Callable[[BedHost], object], words: str
) -> None:
    breaks(fleet["t4"])
    code, found = doctor(fleet, tmp_path, "--hosts", "t4")
    assert code == 3
    assert found["t4"]["SSH"]["state"] == "good"
    assert words in found["t4"]["Docker engine"]["mend"]


def test_a_lost_host_does_not_hold_up_the_others(fleet: Fleet, tmp_path: Path) -> None:
    fleet["t4"].cut()
    code, found = doctor(fleet, tmp_path, "--hosts", "a100,t4")
    assert code == 1
    assert "does not answer" in found["t4"]["SSH"]["found"]
    assert found["a100"]["Docker engine"]["state"] == "good"

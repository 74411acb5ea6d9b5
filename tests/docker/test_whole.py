"""The main command as its users run it: the real Dockerfile on three hosts, from build to page."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.hosts import container
from tests.docker import inside, stand_in
from tests.docker.bed import BedHost, Fleet
from tests.docker.machine import wait_until
from tests.docker.real_image import RealImage

ROOT = Path(__file__).resolve().parent.parent.parent
HOSTS = ("a100", "t4", "v100")
BRIEF = ("--weights", "random", "--batch-sizes", "1", "--iterations", "6")
# ResNet-50 as it is, and three hosts on one machine: traced and run, but with no code generated.
REAL = (*("--models", "resnet-50", "--backend", "aot_eager"), *BRIEF)
# A tiny model, through the real compiler.
TINY = (*("--models", "resnet-50", "--size", "tiny"), *BRIEF)
PARAMETERS = 25_557_032  # of the published ResNet-50


def inventory(folder: Path) -> Path:
    path = folder / "hosts.toml"
    tables = (f'[hosts.{name}]\ndocker = "ssh://{name}"\ngpu = "none"\n' for name in HOSTS)
    path.write_text("".join(tables))
    return path


def build_arguments(image: RealImage) -> list[str]:
    return [word for pair in image.arguments.items() for word in ("--build-arg", "=".join(pair))]


def orchestrate(fleet: Fleet, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, ROOT / "orchestrate.py", *map(str, arguments)],
        env=fleet.environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def running(host: BedHost) -> dict[str, Any] | None:
    """How the container that runs on a host was made, if one does."""
    with contextlib.closing(host.engine.client()) as client:
        for each in client.containers.list():
            return dict(each.attrs)
    return None


@pytest.mark.slow
def test_the_main_command_measures_three_hosts_from_build_to_page(
    fleet: Fleet, seeded: RealImage, tmp_path: Path
) -> None:
    output = tmp_path / "reports"
    usurp(fleet["t4"], seeded)
    arguments = ("--hosts", ",".join(HOSTS), "--inventory", inventory(tmp_path), *REAL)
    with orchestrate(
        fleet, *arguments, "--output", output, "--json", *build_arguments(seeded)
    ) as run:
        log = lambda: "".join(path.read_text() for path in output.glob("*/logs/t4.1.log"))  # noqa: E731
        wait_until(lambda: "Step " in log(), "t4 builds", deadline_s=300)
        fleet["t4"].ssh.kill_sessions()
        wait_until(
            lambda: running(fleet["t4"]) is not None or run.poll() is not None,
            "t4 measures",
            deadline_s=300,
        )
        made = running(fleet["t4"])
        told, said = run.communicate(timeout=600)
    assert run.returncode == 0, said
    assert "t4: out of reach; connecting again" in said or "the connection broke" in said
    summary = json.loads(told)
    assert [host["host"] for host in summary["hosts"]] == list(HOSTS)
    assert [sum(host["counts"].values()) for host in summary["hosts"]] == [1, 1, 1]
    page = Path(summary["page"])
    assert all(name in page.read_text() for name in HOSTS)
    for name in HOSTS:  # eager against eager, too, which tells the noise
        assert sizes(page.parent, name) == [PARAMETERS] * 2
    assert [inside.names(fleet[name].engine) for name in HOSTS] == [[], [], []]
    assert made is not None
    require_hardened(made)


def usurp(host: BedHost, wanted: RealImage) -> None:
    """Give the image's name to another one, which the run must not start."""
    with contextlib.closing(host.engine.client()) as client:
        stand_in.load(client, wanted.tag, [stand_in.leave(7)], labels={})


def sizes(run: Path, host: str) -> list[int]:
    """The parameters of the model in each measurement of a host."""
    lines = (run / "records" / f"{host}.1.jsonl").read_bytes().splitlines()
    measured = (one for one in map(json.loads, lines) if one["kind"] == "measurement")
    return [one["facts"]["parameters"] for one in measured]


def require_hardened(made: dict[str, Any]) -> None:
    host, config = made["HostConfig"], made["Config"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["NetworkMode"] == "none"
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert not host["Privileged"]
    assert config["User"] == "10001:10001"
    assert config["Labels"][container.HOST] == "t4"
    assert {"org.opencontainers.image.revision", container.SCHEMA} <= set(config["Labels"])
    assert not [value for value in config["Env"] if "TOKEN" in value]


@pytest.mark.slow
def test_a_killed_desk_is_followed_by_another(
    fleet: Fleet, seeded: RealImage, tmp_path: Path
) -> None:
    output = tmp_path / "reports"
    places = ("--inventory", inventory(tmp_path), "--output", output)
    with orchestrate(fleet, "--hosts", "a100", *places, *TINY, *build_arguments(seeded)) as run:
        records = lambda: list(output.glob("*/records/a100.1.jsonl"))  # noqa: E731
        wait_until(
            lambda: bool(records()) and b'"compile"' in records()[0].read_bytes(),
            "the case is being compiled",
            deadline_s=300,
        )
        run.kill()
        run.communicate()
    known = records()[0].read_bytes()
    name = records()[0].parent.parent.name
    wait_until(lambda: not ssh_of(fleet), "the tunnel ends with its desk")
    with orchestrate(fleet, "attach", name, *places) as again:
        _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    whole = records()[0].read_bytes()
    assert whole.startswith(known[: known.rfind(b"\n") + 1])
    numbers = [json.loads(line)["seq"] for line in whole.splitlines()]
    assert numbers == list(range(len(numbers)))
    assert json.loads(whole.splitlines()[-1])["kind"] == "finished"
    assert inside.names(fleet["a100"].engine) == []


def ssh_of(fleet: Fleet) -> list[str]:
    """The tunnels to hosts of this bed that are open."""
    config = str(fleet.client.config)
    found = subprocess.run(
        ["pgrep", "-fa", config], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return [line for line in found if " -N " in line]

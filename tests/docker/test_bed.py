"""The test bed itself: what it promises to the tests that lie on it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.hosts import image
from orchestrator.hosts.docker import DockerEngine
from orchestrator.inventory.addresses import Address
from tests import factories
from tests.docker import bed as beds
from tests.docker import stand_in
from tests.docker.bed import Bed, Fleet
from tests.docker.engine import Engine
from tests.docker.machine import wait_until
from tests.docker.real_image import RealImage
from tests.fake_host import lines

RESNET = factories.case("resnet-50")
STREAM = lines(factories.started([RESNET]), factories.measurement(RESNET))


def test_three_hosts_answer_by_name_each_with_an_engine_of_its_own(fleet: Fleet) -> None:
    told = [fleet.client.run(name, "docker info --format '{{.ID}}'") for name in fleet.hosts]
    assert [each.returncode for each in told] == [0, 0, 0]
    assert len({each.stdout for each in told}) == 3


def test_a_cut_cable_is_silence_until_it_is_mended(fleet: Fleet) -> None:
    host = fleet["t4"]
    host.cut()
    lost = fleet.client.run("-o", "ConnectTimeout=1", "t4", "true")
    host.mend()
    assert "timed out" in lost.stderr
    assert fleet.client.run("t4", "true").returncode == 0


def test_a_host_made_anew_has_another_key(fleet: Fleet) -> None:
    fleet["v100"].ssh.new_host_key()
    fleet["v100"].ssh.restart()
    assert "Host key verification failed." in fleet.client.run("v100", "true").stderr


def test_who_is_not_in_the_group_may_not_use_the_socket(fleet: Fleet) -> None:
    fleet["a100"].forbid_docker()
    assert "permission denied" in fleet.client.run("a100", "docker version").stderr


def test_killed_sessions_end_and_the_server_goes_on(fleet: Fleet) -> None:
    ssh = fleet.client.bin / "ssh"
    with subprocess.Popen([ssh, "a100", "echo up; sleep 60"], stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"up\n"
        fleet["a100"].ssh.kill_sessions()
        assert session.wait(10) == 255
    assert fleet.client.run("a100", "true").returncode == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_container_outlives_its_engine(fleet: Fleet, end: str) -> None:
    engine = fleet["t4"].engine
    number = _start_something(engine)
    getattr(engine, end)()
    assert not engine.answers()
    engine.start()
    with contextlib.closing(engine.client()) as client:
        container = client.containers.get(number)
        assert container.status == "running"
        wait_until(lambda: container.logs() == STREAM, "its log is whole")


def test_the_stand_in_replays_records_and_leaves_as_told(engine: Engine) -> None:
    steps = [*stand_in.steps_of(STREAM), stand_in.say_on_stderr("bye"), stand_in.leave(7)]
    with contextlib.closing(engine.client()) as client:
        stand_in.load(client, "stand-in:leaves", steps, labels={"schema": "1"})
        assert client.images.get("stand-in:leaves").labels == {"schema": "1"}
        container = client.containers.create("stand-in:leaves", network_mode="none")
        container.start()
        assert container.wait()["StatusCode"] == 7
        assert container.logs(stderr=False) == STREAM
        assert container.logs(stdout=False) == b"bye\n"


@pytest.mark.parametrize(
    ("misdeed", "code", "out_of_memory"),
    [
        (stand_in.OUT_OF_MEMORY, 137, True),
        (stand_in.FILL_TMP, 28, False),
    ],
)
def test_the_stand_in_misbehaves(
    engine: Engine, misdeed: stand_in.Do, code: int, out_of_memory: bool
) -> None:
    with contextlib.closing(engine.client()) as client:
        stand_in.load(client, "stand-in:misbehaves", [STREAM, misdeed])
        container = client.containers.create(
            "stand-in:misbehaves", network_mode="none", mem_limit="64m", tmpfs={"/tmp": "size=1m"}
        )
        container.start()
        assert container.wait()["StatusCode"] == code
        container.reload()
        assert container.attrs["State"]["OOMKilled"] is out_of_memory


def test_hosts_have_the_real_image_and_build_it_again_from_its_layers(
    fleet: Fleet, seeded: RealImage
) -> None:
    again = image.build_input(seeded.arguments)
    assert again.tag == seeded.tag
    fleet["t4"].engine.stop()
    fleet["t4"].engine.start()
    for host in fleet.hosts.values():
        engine = DockerEngine(Address("unix", path=str(host.engine.socket)))
        with contextlib.closing(engine):
            engine.connect()
            found = engine.image(seeded.tag)
            assert found is not None
            assert found.id == seeded.id
            assert image.is_ours(found.labels)
            output: list[str] = []
            rebuilt = engine.build(again.context, "again", again.arguments, output.append)
        assert rebuilt == seeded.id
        assert not any(line.startswith(" ---> Running in") for line in output)
        assert _run(host.engine, seeded.tag, "import torch; print(1 + 1)") == b"2\n"


def _run(engine: Engine, tag: str, code: str) -> bytes:
    with contextlib.closing(engine.client()) as client:
        container = client.containers.create(
            tag, entrypoint="python", command=["-c", code], network_mode="none"
        )
        container.start()
        container.wait()
        return bytes(container.logs())


def test_a_small_host_kills_what_needs_more_than_it_has(engine: Engine) -> None:
    engine.limit_memory(64 << 20)
    with contextlib.closing(engine.client()) as client:
        stand_in.load(client, "stand-in:greedy", [STREAM, stand_in.OUT_OF_MEMORY])
        container = client.containers.create("stand-in:greedy", network_mode="none")
        container.start()
        assert container.wait()["StatusCode"] == 137
        container.reload()
        assert container.attrs["State"]["OOMKilled"] is True


def test_nothing_is_left_of_a_bed() -> None:
    with beds.laid() as own:
        engine = own.engine("own")
        _start_something(engine)
        folder, inside = own.folder, _inside(engine)
        assert len(inside) >= 5  # init, its child, dockerd, containerd, the container
    assert not folder.exists()
    assert not [pid for pid in inside if Path(f"/proc/{pid}").exists()]
    assert str(folder) not in Path("/proc/self/mounts").read_text()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{folder.name}"))


def test_what_a_killed_run_leaves_is_removed_by_the_next(bed: Bed) -> None:
    script = (
        "import time\n"
        "from tests.docker import bed, test_bed\n"
        "with bed.laid() as own:\n"
        "    engine = own.engine('own')\n"
        "    test_bed._start_something(engine)\n"
        "    print(own.folder, *test_bed._inside(engine), flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        folder, *inside = run.stdout.readline().split()
        run.kill()
    gone = (Path("/proc", pid.decode()) for pid in inside)
    for process in gone:
        wait_until(lambda process=process: not process.exists(), f"{process} ends")
    assert Path(folder.decode()).exists()
    beds.sweep()
    assert not Path(folder.decode()).exists()
    assert bed.folder.exists()


def _start_something(engine: Engine) -> str:
    with contextlib.closing(engine.client()) as client:
        stand_in.load(client, "stand-in:hangs", [STREAM, stand_in.HANG])
        container = client.containers.create("stand-in:hangs", network_mode="none")
        container.start()
        return str(container.id)


def _inside(engine: Engine) -> list[int]:
    """Every process of an engine's machine, by the numbers they have outside."""
    wanted = Path(f"/proc/{engine.machine.init}/ns/pid").readlink()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "ns" / "pid").readlink() == wanted:
                found.append(int(folder.name))
    return found

"""The tunnel's own process handling, with a program in place of ssh that opens the socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.hosts.engine import LinkError
from orchestrator.hosts.tunnel import Tunnel
from orchestrator.inventory.addresses import Address

_OPENS: str = """\
#!/bin/sh
for word; do case $word in *docker.sock:*) : >"${word%%:*}" ;; esac; done
exec sleep 60
"""
_RUNS_HERE: str = "#!/bin/sh\nexec sh -s\n"
_FAILS: str = "#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n"


def pretend(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_a_closed_tunnel_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, _OPENS, monkeypatch)
    tunnel = Tunnel(Address("ssh", "t4"))
    opened = tunnel.open()
    assert tunnel.alive
    tunnel.close()
    assert not tunnel.alive
    assert not opened.parent.exists()


def test_what_ssh_says_is_why_there_is_no_tunnel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, _FAILS, monkeypatch)
    tunnel = Tunnel(Address("ssh", "t4"))
    with pytest.raises(LinkError, match="Host key verification failed") as caught:
        tunnel.open()
    assert caught.value.lasting
    tunnel.close()


@pytest.mark.parametrize("at", ["docker.sock", "a folder/docker.sock"])
def test_a_probe_tells_an_engine_from_what_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    pretend(tmp_path, _RUNS_HERE, monkeypatch)
    path = tmp_path / at
    path.parent.mkdir(exist_ok=True)
    tunnel = Tunnel(Address("ssh", "t4", path=str(path)))
    assert tunnel.probe() == "missing"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert tunnel.probe() == "deserted"
        listening.listen()
        assert tunnel.probe() == "usable"
        (link := tmp_path / "link.sock").symlink_to(path)
        assert Tunnel(Address("ssh", "t4", path=str(link))).probe() == "usable"
    assert tunnel.probe() == "deserted"  # as a killed engine leaves it
    path.unlink()
    path.touch()
    assert tunnel.probe() == "file"


def test_a_killed_desk_leaves_no_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, _OPENS, monkeypatch)
    script = (
        "import time\n"
        "from orchestrator.inventory.addresses import Address\n"
        "from orchestrator.hosts.tunnel import Tunnel\n"
        "print(Tunnel(Address('ssh', 't4')).open(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as desk:
        assert desk.stdout is not None
        socket = Path(desk.stdout.readline().decode().strip())
        assert socket.exists()
        desk.kill()
    end_s = time.monotonic() + 10
    while socket.parent.exists() and time.monotonic() < end_s:
        time.sleep(0.02)
    assert not socket.parent.exists()


def test_several_threads_may_close_a_tunnel_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, _OPENS, monkeypatch)
    tunnel = Tunnel(Address("ssh", "t4"))
    socket = tunnel.open()
    with ThreadPoolExecutor(8) as pool:
        closings = [pool.submit(tunnel.close) for _ in range(8)]
    assert [each.exception() for each in closings] == [None] * 8
    assert not socket.parent.exists()

"""What must be there before an engine is called."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.hosts import reach
from orchestrator.hosts.engine import LinkError


def certificates(folder: Path) -> Path:
    folder.mkdir()
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).touch()
    return folder


def test_certificates_are_looked_for_where_docker_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, path, config, home = (tmp_path / name for name in ("own", "path", "config", "home"))
    for folder in (own, path, config):
        certificates(folder)
    certificates_of_home = home / ".docker"
    home.mkdir()
    certificates(certificates_of_home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setenv("DOCKER_CERT_PATH", str(path))
    assert reach.certificates(str(own))[0].parent == own
    assert reach.certificates("")[0].parent == path
    monkeypatch.delenv("DOCKER_CERT_PATH")
    assert reach.certificates("")[0].parent == config
    monkeypatch.delenv("DOCKER_CONFIG")
    assert reach.certificates("")[0].parent == certificates_of_home


def test_who_lets_callers_wait_is_no_listener(tmp_path: Path) -> None:
    path = tmp_path / "e.sock"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as waiting:
        server.bind(str(path))
        server.listen(0)  # room for one
        waiting.connect(str(path))
        with pytest.raises(LinkError, match="nobody takes the call"):
            reach.knock(str(path))


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_what_is_no_socket_is_told_apart(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "docker.sock"
    if kind == "file":
        path.touch()
    if kind == "folder":
        path.mkdir()
    with pytest.raises(LinkError, match="No such file" if kind == "nothing" else "socket: file"):
        reach.knock(str(path))

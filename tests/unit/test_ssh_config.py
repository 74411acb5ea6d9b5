"""Against the real ssh, with a configuration of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.inventory import ssh_config


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ssh reads the home that the passwd file names, whatever $HOME says: so by option."""
    ssh = shutil.which("ssh")
    if ssh is None:
        pytest.skip("needs ssh (Debian: apt install openssh-client)")
    config, wrapper = tmp_path / "config", tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {ssh} -F {config} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:/usr/bin:/bin")
    config.write_text(
        "Host a100\n  HostName 203.0.113.1\n"
        "Host gpu-*\n  User bench\n"
        "Host *\n  ForwardAgent no\n  Port 2222\n"
    )
    return config


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("name", "known"),
    [("a100", True), ("A100", False), ("gpu-7", True), ("t4", False), ("-v", False), ("", False)],
)
def test_a_name_is_known_when_the_configuration_says_something_of_it(
    name: str, known: bool
) -> None:
    assert ssh_config.knows(name) is known


def test_the_names_written_out_are_listed(config: Path) -> None:
    assert ssh_config.aliases(config) == ["a100"]
    assert ssh_config.aliases(config.with_name("missing")) == []


def test_without_ssh_no_name_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not ssh_config.knows("a100")

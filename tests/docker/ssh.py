"""Real SSH to the hosts of the test bed: a server on each, keys of their own, a user's config."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.docker.machine import Machine, wait_until

# Who logs in: may use Docker through the group, as on most cloud machines.
USER: Final = "bench"

_SSHD: Final = """\
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
PasswordAuthentication no
StrictModes no
UsePAM no
{extra}
"""

# A short interval, so that a dead link is noticed within a test's patience.
_CONFIG: Final = """\
Host {name}
  HostName {address}
  User {user}
  IdentityFile {folder}/id
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""

# OpenSSH reads ~/.ssh of the home in passwd, whatever $HOME says: so the config goes by option.
_WRAPPER: Final = """\
#!/bin/sh
exec {enter} /usr/bin/ssh -F {config} "$@"
"""


@dataclass(slots=True)
class Server:
    """The SSH server of one host."""

    machine: Machine
    address: str
    pid: int = field(init=False, default=0)

    @property
    def folder(self) -> Path:
        return self.machine.folder / "ssh"

    def prepare(self, user_key: Path) -> None:
        """Make keys and the user, once."""
        self.folder.mkdir()
        self.new_host_key()
        (self.folder / "authorized_keys").write_text(user_key.with_suffix(".pub").read_text())
        self.machine.run("useradd", "--create-home", "--groups", "docker", "--password", "*", USER)

    def new_host_key(self) -> None:
        """As when a cloud machine is made anew under its old address."""
        new_key(self.folder / "host_key")

    def start(self, extra: str = "") -> None:
        """Start, with further lines of sshd_config."""
        config = self.folder / "sshd_config"
        text = _SSHD.format(address=self.address, folder=self.folder, extra=extra)
        config.write_text(text)
        log = self.folder / "sshd.log"
        self.pid = self.machine.spawn(log, "/usr/sbin/sshd", "-D", "-e", "-f", str(config))
        wait_until((self.folder / "sshd.pid").exists, "sshd listens", log.read_text)

    def stop(self) -> None:
        """End the server and every session."""
        self.machine.run("pkill", "-KILL", "sshd", check=False)
        wait_until(lambda: not self.machine.alive(self.pid), "sshd ends")
        (self.folder / "sshd.pid").unlink(missing_ok=True)

    def restart(self, extra: str = "") -> None:
        self.stop()
        self.start(extra)

    def kill_sessions(self) -> None:
        """End every session; the server goes on."""
        sessions = f"pgrep -x sshd | grep -vx {self.pid} | xargs -r kill -KILL"
        self.machine.run("sh", "-c", sessions)


@dataclass(slots=True)
class Client:
    """The user's side: one key, a config with an alias per host, and `ssh` first on the path."""

    folder: Path
    desk: Machine

    @property
    def key(self) -> Path:
        return self.folder / "id"

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def prepare(self) -> None:
        self.bin.mkdir(parents=True)
        new_key(self.key)
        self.config.touch()
        wrapper = self.bin / "ssh"
        enter = shlex.join(self.desk.enter_network())
        wrapper.write_text(_WRAPPER.format(enter=enter, config=self.config))
        wrapper.chmod(0o755)

    def learn(self, servers: list[Server]) -> None:
        """Write alias and host key of every host."""
        self.config.write_text(
            "".join(
                _CONFIG.format(
                    name=server.machine.name,
                    address=server.address,
                    user=USER,
                    folder=self.folder,
                )
                for server in servers
            )
        )
        keys = (self._known(server) for server in servers)
        (self.folder / "known_hosts").write_text("".join(keys))

    def run(self, *arguments: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "ssh"), "-o", "BatchMode=yes", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )

    def _known(self, server: Server) -> str:
        kind, key = (server.folder / "host_key.pub").read_text().split()[:2]
        return f"{server.address} {kind} {key}\n"


def new_key(path: Path) -> None:
    """Write a key pair in place of what is there."""
    for old in (path, path.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)],
        check=True,
        timeout=30,
    )

"""A machine inside this one: processes, mounts and network of its own, made by the kernel.

Its first process is the init of a PID namespace: when that ends, the kernel ends everything else
in there and takes the mounts and links away. The init itself is bound to the life of the process
that made it, so nothing outlives a test run, however that ended.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DEADLINE_S: Final = 30.0

# /etc is this machine's with changes of its own on top, without an engine's identity that may be
# in it: three machines would share it. /run and /home are empty.
_INIT: Final = """
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /home
mount -t overlay overlay -o lowerdir=/etc,upperdir={folder}/etc,workdir={folder}/etc.work /etc
rm -f /etc/docker/key.json
mkdir -p /run/sshd
touch {folder}/up
exec docker-init -s -- sleep infinity
"""


@dataclass(slots=True)
class Machine:
    """A running machine; `folder` is the same path inside and outside."""

    name: str
    folder: Path
    own_network: bool = True
    process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    init: int = field(init=False, default=0)

    def start(self) -> None:
        """Boot. Must be called from the main thread: the machine dies with the calling thread."""
        for sub in ("etc", "etc.work"):
            (self.folder / sub).mkdir(parents=True)
        network = ["--net"] if self.own_network else []
        command = [
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *(*network, "--", "sh", "-c", _INIT.format(folder=self.folder)),
        ]
        with (self.folder / "boot.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
        wait_until((self.folder / "up").exists, f"{self.name} boots", self._boot_log)
        self.init = _only_child(self.process.pid)
        if self.own_network:
            self.run("ip", "link", "set", "lo", "up")

    def power_off(self) -> None:
        """End everything in there at once, as a power cut would."""
        self.cut_power()
        if self.process is not None:
            self.process.wait(DEADLINE_S)
            wait_until(lambda: not Path(f"/proc/{self.init}").exists(), f"{self.name} ends")

    def cut_power(self) -> None:
        """The same without waiting: the kernel takes seconds over a machine."""
        if self.process is not None:
            self.process.kill()

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in there; returns its standard output."""
        done = subprocess.run(
            [*self.enter(), *command], capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def spawn(self, log: Path, *command: str) -> int:
        """Start a daemon in there that writes to `log`; returns its PID as seen from inside."""
        script = f'setsid "$@" </dev/null >>{log} 2>&1 & echo $!'
        return int(self.run("sh", "-c", script, "sh", *command))

    def signal(self, pid: int, name: str) -> None:
        self.run("kill", "-s", name, str(pid), check=False)

    def alive(self, pid: int) -> bool:
        state = self.run("ps", "-o", "stat=", "-p", str(pid), check=False).strip()
        return bool(state) and not state.startswith("Z")

    def enter(self) -> list[str]:
        """The words before a command that is to run in there."""
        network = ["--net"] if self.own_network else []
        return ["nsenter", "--target", str(self.init), "--mount", "--pid", *network, "--"]

    def enter_network(self) -> list[str]:
        """The words before a command of ours that is to use the network in there."""
        return ["nsenter", "--target", str(self.init), "--net", "--"]

    def _boot_log(self) -> str:
        return (self.folder / "boot.log").read_text()


def wait_until(
    true: Callable[[], bool],
    what: str,
    details: Callable[[], str] = str,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Wait for a condition. Raises: AssertionError with `details` when it takes too long."""
    end_s = time.monotonic() + deadline_s
    while not true():
        if time.monotonic() > end_s:
            raise AssertionError(f"{what}: not within {deadline_s:.0f} s\n{details()}")
        time.sleep(0.05)


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0])

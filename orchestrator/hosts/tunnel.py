"""One SSH connection of our own to a host's engine socket: `ssh -N -L local.sock:remote.sock`.

The system's ssh brings the user's whole configuration, keys and jump hosts, keep-alive, and an
error text that names the cause; the host needs no Docker command. docs/decisions/0012 has the
reasons and what was tried instead.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.hosts.engine import LinkError
from orchestrator.inventory.addresses import Address

CONNECT_S: Final = 15
ALIVE_INTERVAL_S: Final = 15
ALIVE_COUNT: Final = 3
# ssh may first resolve a name and pass a jump host.
OPEN_LIMIT_S: Final = 60.0
PROBE_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.05
_OPTIONS: Final = (
    "BatchMode=yes",
    f"ConnectTimeout={CONNECT_S}",
    # A shared master would take the forwarding over and outlive us.
    "ControlMaster=no",
    "ControlPath=none",
)
_FORWARDING: Final = (
    "ExitOnForwardFailure=yes",
    f"ServerAliveInterval={ALIVE_INTERVAL_S}",
    f"ServerAliveCountMax={ALIVE_COUNT}",
    "StreamLocalBindUnlink=yes",
    "StreamLocalBindMask=0177",
)
# ssh ends, and its folder goes, when our end of its standard input does: not even kill -9 of this
# process leaves anything behind.
_LEASH: Final = (
    'folder=$1; shift; exec 3<&0; "$@" </dev/null 3<&- & ssh=$!; '
    '{ cat <&3 >/dev/null; kill "$ssh" 2>/dev/null; rm -rf "$folder"; } & exec 3<&-; wait "$ssh"'
)
# Trying again cannot help with these. A name that does not resolve may only mean that this machine
# is offline for a moment.
_LASTING: Final = (
    "Host key verification failed",
    "Permission denied",
    "Bad configuration option",
    "Too many authentication failures",
)
# A socket is listed under the name that its engine gave it, be it /var/run or /run; a rootless
# engine's in a network namespace of its own, which the user's other processes are let to see.
_PROBE: Final = """\
s={path}
listens() {{ cat /proc/net/unix /proc/[0-9]*/net/unix 2>/dev/null |
  awk -v named="${{1#/var}}" -v real="$(readlink -f "$1")" '
    function ends(path) {{ return substr($0, length($0) - length(path) + 1) == path }}
    $4 == "00010000" && (ends(named) || ends(real)) {{ found = 1 }}
    END {{ exit NR < 2 ? 2 : !found }}'; }}
if [ ! -e "$s" ]; then echo missing
elif [ ! -S "$s" ]; then echo file
elif [ ! -r "$s" ] || [ ! -w "$s" ]; then echo forbidden
else listens "$s"; case $? in 1) echo deserted;; *) echo usable;; esac; fi
r=/run/user/$(id -u)/docker.sock
if [ "$r" != "$s" ] && [ -S "$r" ] && listens "$r"; then echo "rootless $r"; fi
"""


@dataclass(slots=True)
class Tunnel:
    """A running ssh, and the socket at this end of it."""

    address: Address
    _folder: Path | None = None
    _process: subprocess.Popen[bytes] | None = None
    _errors: list[str] = field(default_factory=list)
    _closing: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> Path:
        """Connect. Returns: the local socket. Raises: LinkError: what ssh said."""
        self.close()
        folder = self._folder = Path(tempfile.mkdtemp(prefix="tcb-"))
        socket = folder / "docker.sock"
        with (folder / "stderr").open("wb") as errors:
            try:
                process = self._process = self._start(socket, errors.fileno())
            except FileNotFoundError as error:
                raise LinkError("no ssh on this machine", lasting=True) from error
        self._await(socket, process)
        return socket

    def _start(self, socket: Path, errors: int) -> subprocess.Popen[bytes]:
        forward = f"{socket}:{self.address.path}"
        command = self._ssh(*_FORWARDING, more=("-N", "-T", "-L", forward))
        if shutil.which("ssh") is None:
            raise FileNotFoundError
        return subprocess.Popen(
            ["sh", "-c", _LEASH, "sh", str(socket.parent), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )

    def _await(self, socket: Path, process: subprocess.Popen[bytes]) -> None:
        deadline_s = time.monotonic() + OPEN_LIMIT_S
        while not socket.exists():
            if process.poll() is not None:
                raise self.failure()
            if time.monotonic() > deadline_s:
                raise LinkError(f"ssh gave no connection within {OPEN_LIMIT_S:.0f} s")
            time.sleep(_POLL_S)

    def _ssh(self, *options: str, more: tuple[str, ...] = ()) -> list[str]:
        settings = [part for option in (*_OPTIONS, *options) for part in ("-o", option)]
        port = ["-p", str(self.address.port)] if self.address.port else []
        return ["ssh", *settings, *port, *more, "--", self.address.destination]

    @property
    def alive(self) -> bool:
        process = self._process  # another thread may close it meanwhile
        return process is not None and process.poll() is None

    def failure(self) -> LinkError:
        """Why ssh ended, in its own words."""
        text = self._said() or "ssh ended without a word"
        return LinkError(text, lasting=any(words in text for words in _LASTING))

    def _said(self) -> str:
        folder = self._folder
        if folder is None:
            return ""
        with contextlib.suppress(OSError):
            text = (folder / "stderr").read_text(encoding="utf-8", errors="replace")
            return " ".join(line.strip() for line in text.splitlines()[-12:] if line.strip())
        return ""

    def probe(self) -> str:
        """Look at the socket from inside the host. Raises: LinkError.

        Returns: usable, missing, file, forbidden or deserted, which is a socket that nobody listens
        at; then "rootless PATH" where another engine, a rootless one, listens.
        """
        return " ".join(self.shell(_PROBE.format(path=shlex.quote(self.address.path))).split())

    def shell(self, script: str, limit_s: float = PROBE_LIMIT_S) -> str:
        """Run a script by `sh` on the host, whatever the user's own shell there, in a session of
        its own. Returns: what it printed. Raises: LinkError: it took too long."""
        try:
            done = subprocess.run(
                [*self._ssh(more=("-T",)), "sh -s"],
                input=script,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LinkError("ssh connects, but a command there does not end") from error
        return done.stdout

    def close(self) -> None:
        """End ssh and remove its socket; several threads may do so at once."""
        with self._closing:
            process, folder = self._process, self._folder
            self._process = self._folder = None
        if process is not None:
            _end(process)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

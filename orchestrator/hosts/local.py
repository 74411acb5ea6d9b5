"""This machine as a host: the harness as a child process, without Docker.

The child leads a session of its own, so that Ctrl-C reaches the desk alone, which then decides.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.contract.plan import Plan
from harness.contract.visible_gpus import VARIABLE
from orchestrator.errors import HostError, NoHostError
from orchestrator.hosts import Say, local_gpus
from orchestrator.hosts.container import Lane
from orchestrator.hosts.engine import EngineFacts, LinkError
from orchestrator.hosts.shell import Shell
from orchestrator.inventory.addresses import Address
from orchestrator.records.attempt_file import AttemptFile

NAME: Final = "local"
_ROOT: Final = Path(__file__).resolve().parent.parent.parent
MEASURES_WITH: Final = ("torch", "transformers", "PIL")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_WHOLE: Final = Lane(None)
_TOPOLOGY: Final = "/sys/devices/system/cpu/cpu{}/topology/{}"
_TELL_BOOT: Final = f"cat {_BOOT}\n"
_READ_BYTES: Final = 1 << 16
_STOP_GRACE_S: Final = 15.0
# Everything measured; some cases failed.
_ORDERLY: Final = (0, 1)


@dataclass(frozen=True, slots=True)
class LocalSession:
    """A running harness process."""

    process: subprocess.Popen[bytes]
    log: Path
    stopping: threading.Event = field(default_factory=threading.Event)

    def chunks(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            while chunk := os.read(pipe.fileno(), _READ_BYTES):
                yield chunk
        code = self.process.wait()
        if code not in _ORDERLY and not self.stopping.is_set():
            raise HostError(
                f'the harness on host "{NAME}" {_how(code)} before its end',
                f"Its log may say why: {self.log}",
                "crash",
            )

    def stop(self) -> bool:
        self.stopping.set()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_GRACE_S)
            return True
        self.kill()
        return True

    def recover(self, _seq: int, /) -> bool:
        """A pipe loses nothing."""
        return False

    def finish(self) -> None:
        """It ends by itself."""

    def detach(self) -> bool:
        """Without a reader of its records it would end by itself, so end it properly."""
        self.stop()
        return False

    def kill(self) -> bool:
        self.stopping.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return True


@dataclass(frozen=True, slots=True)
class LocalHost:
    """This machine: its first GPU if PyTorch sees one, else its CPU; or one of those of its GPUs
    that share the cases."""

    name: str = NAME
    lane: Lane = _WHOLE

    def check(self, plan: Plan) -> None:
        local_gpus.require_there()
        missing = [name for name in MEASURES_WITH if importlib.util.find_spec(name) is None]
        if missing:
            raise NoHostError(
                f"this machine cannot measure: {', '.join(missing)} not installed in "
                f"{sys.executable}",
                'Install the measuring side:  python -m pip install -e ".[local]"',
            )
        if plan.generates_code:
            _require_compiler()

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> LocalSession:
        say("starting")
        with attempt.log.open("ab") as errors:
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                cwd=_ROOT,
                env=self._environment(),
                start_new_session=True,
            )
        _keep_to_cores(process.pid, self.lane)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(plan.model_dump_json().encode())
        return LocalSession(process, attempt.log)

    def _command(self) -> list[str]:
        """Of several GPUs none may be replaced by the CPU, which another lane needs as well."""
        words = [sys.executable, "-m", "harness", "--plan", "-"]
        return words if self.lane.gpu is None else [*words, "--require-gpu"]

    def _environment(self) -> dict[str, str]:
        chosen = {} if self.lane.gpu is None else {VARIABLE: self.lane.gpu}
        return {**os.environ, **chosen}


def hosts() -> tuple[LocalHost, ...]:
    """This machine as one host, or as one for each GPU that shares its cases. Raises: UsageError:
    CUDA_VISIBLE_DEVICES cannot be meant as it is."""
    return tuple(LocalHost(lane=lane) for lane in local_gpus.lanes())


def _keep_to_cores(pid: int, lane: Lane) -> None:
    """Give a harness that was just started its part of the cores: what compiles on one GPU's behalf
    must not slow down the launches of another. All get equally many, so that they stay alike."""
    if lane.count == 1 or not hasattr(os, "sched_setaffinity"):
        return
    usable = sorted(os.sched_getaffinity(0), key=_place)
    each = len(usable) // lane.count
    if each:
        with contextlib.suppress(OSError):  # it ended already, which its session tells
            os.sched_setaffinity(pid, usable[lane.index * each : (lane.index + 1) * each])


def _place(cpu: int) -> tuple[int, ...]:
    """Socket and core of a logical CPU, so that two threads of one core stay side by side."""
    try:
        names = ("physical_package_id", "core_id")
        found = [int(Path(_TOPOLOGY.format(cpu, name)).read_text("ascii")) for name in names]
    except (OSError, ValueError):
        found = []
    return (*found, cpu)


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def compiler() -> str | None:
    """The C++ compiler that torch.compile would find."""
    compilers = (os.environ.get("CXX"), "g++", "clang++")
    return next((found for name in compilers if name and (found := shutil.which(name))), None)


def missing_headers() -> str:
    """The folder where Python.h is missed; empty where it is there."""
    headers = Path(sysconfig.get_path("include"))
    return "" if (headers / "Python.h").exists() else str(headers)


def _require_compiler() -> None:
    """torch.compile builds C++ that includes Python.h, on a GPU as well."""
    if compiler() is None:
        raise NoHostError(
            "this machine has no C++ compiler, and torch.compile needs one",
            "Install one (Debian, Ubuntu: sudo apt install g++ python3-dev), or set CXX.",
        )
    if folder := missing_headers():
        raise NoHostError(
            f"this machine has no Python headers in {folder}, and torch.compile needs them",
            "Install them (Debian, Ubuntu: sudo apt install python3-dev).",
        )


def shares_machine(address: Address, facts: EngineFacts, shell: Shell) -> bool:
    """Whether an engine is one of this machine. Copied machines may be called alike; over SSH,
    their boots tell them apart."""
    if address.scheme == "unix":
        return True
    if not is_here(facts):
        return False
    try:
        told = shell(address, _TELL_BOOT)
    except LinkError:
        return True
    return told is None or boot_id() in told


def is_here(facts: EngineFacts) -> bool:
    """Whether an engine is one of this machine, as far as its name and memory tell."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (facts.name, facts.memory_bytes) == (socket.gethostname(), memory_bytes)


def boot_id() -> str:
    """A number that this machine has until it is started again; empty where it has none."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def has_gpu() -> bool:
    """Whether an NVIDIA driver lists a GPU; asked without loading torch."""
    return bool(local_gpus.listed())

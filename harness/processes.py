"""How the processes of cases end: by themselves, by the kernel for want of memory, or by us."""

from __future__ import annotations

import contextlib
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

_GRACE_S: Final = 10.0
_OOM_COUNTERS: Final = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))


def exit_code(process: BaseProcess) -> int | None:
    """The exit code once the pipe has ended; None for a process that closed it and lives on."""
    process.join(_GRACE_S)
    return process.exitcode


def kill_group(process: BaseProcess) -> None:
    """Kill a process with all that it started, and wait until it is gone."""
    if process.pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # it may not lead its group yet
    process.join()


def out_of_memory_kills() -> int:
    """How often the kernel has killed for memory so far, as far as Linux tells."""
    count = 0
    for counters in _OOM_COUNTERS:
        with contextlib.suppress(OSError):
            for line in counters.read_text(encoding="ascii", errors="replace").splitlines():
                name, _, value = line.partition(" ")
                count += int(value) if name == "oom_kill" else 0
    return count

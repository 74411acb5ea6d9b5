"""What NVML, the driver's own management library, says about one GPU.

Imports nothing heavy: the process that samples it beside a measurement must stay small. The
package nvidia-ml-py (module `pynvml`) is optional; without it, or without a driver, opening fails
with the reason.
"""
# ruff: noqa: N802  functions are named as in nvidia-ml-py

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

Handle: TypeAlias = object

# nvml.h, nvmlClocksEventReasons. Drivers before 535 know them by their former name only, throttle
# reasons, so that one is asked for.
THROTTLE_REASONS: Final = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake slowdown",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}


class NvmlUnavailableError(Exception):
    """NVML cannot be asked here; the message says why."""


class Process(Protocol):
    """A process that uses the GPU. `usedGpuMemory` is in bytes; None where NVML does not know."""

    pid: int
    usedGpuMemory: int | None  # noqa: N815  as in nvidia-ml-py


class Library(Protocol):
    """The part of nvidia-ml-py that is used. Each function raises `NVMLError` in its own words."""

    NVMLError: type[Exception]
    NVML_CLOCK_SM: int
    NVML_CLOCK_MEM: int
    NVML_TEMPERATURE_GPU: int

    def nvmlInit(self) -> None: ...
    def nvmlDeviceGetHandleByUUID(self, uuid: str, /) -> Handle: ...
    def nvmlDeviceGetClockInfo(self, handle: Handle, kind: int, /) -> int: ...
    def nvmlDeviceGetTemperature(self, handle: Handle, sensor: int, /) -> int: ...
    def nvmlDeviceGetPowerUsage(self, handle: Handle, /) -> int: ...
    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Handle, /) -> int: ...
    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Handle, /) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Handle, /) -> Sequence[Process]: ...


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, asked through NVML. What this GPU or driver does not report is None."""

    library: Library
    handle: Handle

    def sm_clock_mhz(self) -> int | None:
        return self._ask(self.library.nvmlDeviceGetClockInfo, self.library.NVML_CLOCK_SM)

    def memory_clock_mhz(self) -> int | None:
        return self._ask(self.library.nvmlDeviceGetClockInfo, self.library.NVML_CLOCK_MEM)

    def temperature_c(self) -> int | None:
        return self._ask(self.library.nvmlDeviceGetTemperature, self.library.NVML_TEMPERATURE_GPU)

    def power_w(self) -> float | None:
        milliwatts = self._ask(self.library.nvmlDeviceGetPowerUsage)
        return None if milliwatts is None else milliwatts / 1000

    def throttle(self) -> list[str]:
        """The names of all reasons for which clocks are not at their highest right now."""
        bits = self._ask(self.library.nvmlDeviceGetCurrentClocksThrottleReasons) or 0
        return [name for bit, name in THROTTLE_REASONS.items() if bits & bit]

    def energy_j(self) -> float | None:
        """Joules since the driver was loaded; Volta and newer."""
        millijoules = self._ask(self.library.nvmlDeviceGetTotalEnergyConsumption)
        return None if millijoules is None else millijoules / 1000

    def process_memory_bytes(self, pid: int) -> int | None:
        """Device memory of a process, with its CUDA context and memory pools.

        In a container NVML speaks of process ids outside of it, which match none here: a process
        that is alone on the GPU is then taken for the one that is meant.
        """
        try:
            found = self.library.nvmlDeviceGetComputeRunningProcesses(self.handle)
        except self.library.NVMLError:
            return None
        meant = [process for process in found if process.pid == pid]
        if not meant and len(found) == 1:
            meant = list(found)
        return meant[0].usedGpuMemory if meant else None

    def other_processes(self, pid: int) -> list[str]:
        """What else computes on the GPU beside a process that does, such as "process 4711 with 2.0
        GiB". In a container, where none has its id, one of them is that process itself, and the
        others are told without theirs."""
        try:
            found = self.library.nvmlDeviceGetComputeRunningProcesses(self.handle)
        except self.library.NVMLError:
            return []
        others = [process for process in found if process.pid != pid]
        if len(others) == len(found):
            return ["another process"] * (len(found) - 1)
        return [_named(process) for process in others]

    def _ask(self, question: Callable[..., int], *arguments: int) -> int | None:
        try:
            return question(self.handle, *arguments)
        except self.library.NVMLError:
            return None


def _named(process: Process) -> str:
    held = process.usedGpuMemory
    return f"process {process.pid}" + ("" if held is None else f" with {held / 2**30:.1f} GiB")


def open_gpu(uuid: str, library: Library | None = None) -> Gpu:
    """Open the GPU with this UUID, "GPU-…". Raises: NvmlUnavailableError."""
    library = library or _library()
    try:
        library.nvmlInit()
        return Gpu(library, library.nvmlDeviceGetHandleByUUID(uuid))
    except library.NVMLError as error:
        raise NvmlUnavailableError(f"no NVML: {error}") from error


def _library() -> Library:
    try:
        import pynvml
    except ImportError as error:
        raise NvmlUnavailableError("no NVML: nvidia-ml-py is not installed") from error
    library: Any = pynvml
    return library  # type: ignore[no-any-return]

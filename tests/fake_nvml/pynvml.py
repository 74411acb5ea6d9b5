"""Stands for nvidia-ml-py: one GPU whose clock drops while it is throttled.

Put first on the path, so that the real sampler process finds it. FAKE_NVML_ERROR makes opening
fail with those words; FAKE_NVML_THROTTLE is the bit mask of reasons.
"""

import os
from dataclasses import dataclass
from typing import Any

NVML_CLOCK_SM = 1
NVML_CLOCK_MEM = 2
NVML_TEMPERATURE_GPU = 0
UUID = "GPU-0a1b"


class NVMLError(Exception):
    pass


@dataclass
class Process:
    pid: int
    usedGpuMemory: int | None  # noqa: N815


processes: list[Process] = []
energy_mj: list[int] = []


def nvmlInit() -> None:  # noqa: N802
    if words := os.environ.get("FAKE_NVML_ERROR"):
        raise NVMLError(words)


def nvmlDeviceGetHandleByUUID(uuid: str) -> str:  # noqa: N802
    if uuid != UUID:
        raise NVMLError("Not Found")
    return uuid


def nvmlDeviceGetClockInfo(handle: Any, kind: int) -> int:  # noqa: N802
    if kind == NVML_CLOCK_MEM:
        raise NVMLError("Not Supported")
    return 600 if _throttle() & 0x60 else 1410


def nvmlDeviceGetTemperature(handle: Any, sensor: int) -> int:  # noqa: N802
    return 61


def nvmlDeviceGetPowerUsage(handle: Any) -> int:  # noqa: N802
    return 70_500


def nvmlDeviceGetCurrentClocksThrottleReasons(handle: Any) -> int:  # noqa: N802
    return _throttle()


def nvmlDeviceGetTotalEnergyConsumption(handle: Any) -> int:  # noqa: N802
    if not energy_mj:
        raise NVMLError("Not Supported")
    return energy_mj.pop(0)


def nvmlDeviceGetComputeRunningProcesses(handle: Any) -> list[Process]:  # noqa: N802
    return processes


def _throttle() -> int:
    return int(os.environ.get("FAKE_NVML_THROTTLE", "0"))

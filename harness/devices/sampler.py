"""Samples a GPU beside a measurement, in a process of its own.

    python -m harness.devices.sampler UUID

One JSON line per sample on standard output, stamped by the monotonic clock, which all processes of
a machine share. If the GPU cannot be asked, the only line says why. Ends when nobody reads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Final

from harness.devices.nvml import Gpu, NvmlUnavailableError, open_gpu

# NVML renews most values about ten times a second; asking more often would only cost.
PERIOD_S: Final = 0.1


def main() -> None:
    try:
        gpu = open_gpu(sys.argv[1])
    except NvmlUnavailableError as error:
        _write({"error": str(error)})
        return
    os.set_blocking(1, False)
    while _write(sample(gpu)):
        time.sleep(PERIOD_S)


def sample(gpu: Gpu) -> dict[str, object]:
    """What the GPU does now; the keys are those of `harness.devices.telemetry.Sample`."""
    return {
        "time_s": time.monotonic(),
        "sm_clock_mhz": gpu.sm_clock_mhz(),
        "memory_clock_mhz": gpu.memory_clock_mhz(),
        "temperature_c": gpu.temperature_c(),
        "power_w": gpu.power_w(),
        "throttle": gpu.throttle(),
    }


def _write(content: dict[str, object]) -> bool:
    """Write one line; whether anybody may still read. A full pipe drops the line: the measurement
    has no time to read now, and what it will look at is what is new then."""
    try:
        os.write(1, json.dumps(content).encode() + b"\n")
    except BlockingIOError:
        return True
    except BrokenPipeError:
        return False
    return True


if __name__ == "__main__":
    main()

"""The kinds of devices that cases can be measured on, in the order of preference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.devices import cpu, cuda
from harness.devices.compute_device import ComputeDevice

# Each finds the first device of its kind that this process may use, if there is one.
KINDS: Final[tuple[Callable[[], ComputeDevice | None], ...]] = (cuda.find, cpu.find)


def first() -> ComputeDevice:
    """The device to measure on: the first visible GPU, else the CPU."""
    return next(device for find in KINDS if (device := find()) is not None)

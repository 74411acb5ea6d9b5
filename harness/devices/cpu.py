"""The CPU: a clock, and no more."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path

import torch

from harness.contract.records import Device
from harness.contract.vocabulary import Precision
from harness.devices import instruments
from harness.devices.compute_device import NO_TF32
from harness.devices.instruments import Instruments


@dataclass(frozen=True, slots=True)
class Cpu:
    """This machine's processor; a ComputeDevice."""

    torch_device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    multiprocessors: None = None
    has_cuda_graphs: bool = False

    def describe(self) -> Device:
        return Device(type="cpu", name=name())

    def lacks(self, precision: Precision) -> str:
        return NO_TF32 if precision == "tf32" else ""

    def instruments(self) -> Instruments:
        return instruments.for_cpu()

    def forget_cached_memory(self) -> None:
        """Its allocator keeps no peak."""

    def peak_memory_bytes(self) -> None:
        return None


def find() -> Cpu:
    return Cpu()


def name() -> str:
    """As the kernel or the platform calls it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""What a kind of device has to have, so that cases can be measured on it.

To add a kind is to add its module, and a line in `harness.devices.registry`.
"""

from __future__ import annotations

from typing import Final, Protocol

import torch

from harness.contract.records import Device
from harness.contract.vocabulary import Precision
from harness.devices.instruments import Instruments

NO_TF32: Final = "TF32 exists on NVIDIA GPUs of compute capability 8.0 and newer"


class ComputeDevice(Protocol):
    """A device that models run on: what it is, what it cannot do, and what measures it."""

    @property
    def torch_device(self) -> torch.device: ...

    @property
    def multiprocessors(self) -> int | None:
        """How many a GPU has; None for a CPU."""
        ...

    @property
    def has_cuda_graphs(self) -> bool:
        """Whether launches can be recorded and replayed."""
        ...

    def describe(self) -> Device: ...

    def lacks(self, precision: Precision) -> str:
        """Why it cannot do this arithmetic, or only emulates it; empty if it can."""
        ...

    def instruments(self) -> Instruments:
        """A clock, and whatever else tells of a measurement here."""
        ...

    def forget_cached_memory(self) -> None:
        """Give memory that no tensor holds back to the device, and start a new peak."""
        ...

    def peak_memory_bytes(self) -> int | None:
        """The most memory that tensors held on the device since it was forgotten; None where that
        is not known."""
        ...

"""An NVIDIA GPU as the instruments see it."""

from __future__ import annotations

from typing import Any

import torch

from harness import environment, nvml
from harness.accelerator import Event
from harness.clocks import DeviceClock
from harness.instruments import Instruments


class Cuda:
    """A GPU and its current stream."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def event(self) -> Event:
        cuda: Any = torch.cuda  # its events are untyped
        event: Event = cuda.Event(enable_timing=True)
        return event

    def synchronize(self) -> None:
        torch.cuda.synchronize(self._device)

    def sleep(self, cycles: int) -> None:
        # The spinning kernel of PyTorch's own tests. It is private, and nothing public does this.
        cuda: Any = torch.cuda
        cuda._sleep(cycles)  # noqa: SLF001


def instruments(device: torch.device) -> Instruments:
    """The clock, the queue and, where NVML can be asked, the state of a GPU."""
    accelerator = Cuda(device)
    clock = DeviceClock(accelerator)
    uuid = environment.uuid(device)
    try:
        return Instruments(clock, accelerator, nvml.open_gpu(uuid), uuid)
    except nvml.NvmlUnavailableError as error:
        return Instruments(clock, accelerator, note=str(error))

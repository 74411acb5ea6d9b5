"""An NVIDIA GPU as the instruments see it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile

from harness.devices import environment, nvml
from harness.devices.clocks import DeviceClock
from harness.devices.instruments import Instruments
from harness.devices.kernels import Trace
from harness.devices.protocols import Event

GRAPH_LAUNCH: Final = "cudaGraphLaunch"
# Taking CUPTI down between two profiles crashes in processes with CUDA graphs; these are torch's
# own settings against it (torch/profiler/profiler.py, start_trace), which it applies only where
# graphs are switched on for all of the process.
_KEEP_CUPTI: Final = {"DISABLE_CUPTI_LAZY_REINIT": "1", "TEARDOWN_CUPTI": "0"}
# Kineto writes two lines of its level 5 to standard error for each profile, twenty for each case.
_QUIET_KINETO: Final = "6"


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

    def trace(self, call: Callable[[], object], calls: int) -> Trace:
        os.environ.update(_KEEP_CUPTI)
        os.environ.setdefault("KINETO_LOG_LEVEL", _QUIET_KINETO)
        self.synchronize()
        try:
            with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                for _ in range(calls):
                    call()
                self.synchronize()
        except (AssertionError, RuntimeError):  # what torch raises where it cannot profile a GPU
            return Trace(calls, ())
        return trace_of(profiler.events() or (), calls)


def trace_of(events: Iterable[Any], calls: int) -> Trace:
    """What the profiler's events say of a GPU: those it ran itself, and launches on the host.

    Args: events: torch.autograd.profiler_util.FunctionEvent.
    """
    autograd: Any = torch.autograd  # it exports DeviceType to those who look for it
    found = list(events)
    on_gpu = [
        event.time_range
        for event in found
        if event.device_type == autograd.DeviceType.CUDA and not event.is_user_annotation
    ]
    return Trace(
        calls,
        tuple((span.start / 1e6, span.end / 1e6) for span in on_gpu),
        sum(event.name == GRAPH_LAUNCH for event in found),
    )


def instruments(device: torch.device) -> Instruments:
    """The clock, the queue and, where NVML can be asked, the state of a GPU."""
    accelerator = Cuda(device)
    clock = DeviceClock(accelerator)
    uuid = environment.uuid(device)
    try:
        return Instruments(clock, accelerator, nvml.open_gpu(uuid), uuid)
    except nvml.NvmlUnavailableError as error:
        return Instruments(clock, accelerator, note=str(error))

"""An NVIDIA GPU, and how the instruments see it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile

from harness.contract.records import Device
from harness.contract.vocabulary import Precision
from harness.devices import commands, nvml
from harness.devices.clocks import DeviceClock
from harness.devices.compute_device import NO_TF32
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


@dataclass(frozen=True, slots=True)
class NvidiaGpu:
    """A GPU below CUDA; a ComputeDevice."""

    torch_device: torch.device = field(default_factory=lambda: torch.device("cuda", 0))
    has_cuda_graphs: bool = True

    @property
    def uuid(self) -> str:
        """As NVML writes it."""
        return f"GPU-{torch.cuda.get_device_properties(self.torch_device).uuid}"

    @property
    def multiprocessors(self) -> int:
        count: int = torch.cuda.get_device_properties(self.torch_device).multi_processor_count
        return count

    def describe(self) -> Device:
        properties = torch.cuda.get_device_properties(self.torch_device)
        return Device(
            type="cuda",
            name=properties.name,
            uuid=self.uuid,
            capability=f"{properties.major}.{properties.minor}",
            memory_bytes=properties.total_memory,
            multiprocessors=properties.multi_processor_count,
            driver=commands.first_line(
                "nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"
            ),
        )

    def lacks(self, precision: Precision) -> str:
        if precision == "tf32" and torch.cuda.get_device_capability(self.torch_device) < (8, 0):
            return NO_TF32
        if precision == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
            return "this GPU only emulates bfloat16; its times would mislead"
        return ""

    def instruments(self) -> Instruments:
        """The clock, the queue and, where NVML can be asked, the state of the GPU."""
        accelerator = Cuda(self.torch_device)
        clock = DeviceClock(accelerator)
        try:
            return Instruments(clock, accelerator, nvml.open_gpu(self.uuid), self.uuid)
        except nvml.NvmlUnavailableError as error:
            return Instruments(clock, accelerator, note=str(error))

    def forget_cached_memory(self) -> None:
        _free_workspaces(self.torch_device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.torch_device)

    def peak_memory_bytes(self) -> int:
        """Without the workspaces that cuBLAS keeps from its first product on, 8 to 32 MiB per
        process: they are no part of the model, and a graph mode has none, so that a small model
        would seem to need a hundredth when it is compiled."""
        peak_bytes = torch.cuda.max_memory_allocated(self.torch_device)
        return peak_bytes - _free_workspaces(self.torch_device)


def find() -> NvidiaGpu | None:
    """The first visible GPU; CUDA_VISIBLE_DEVICES chooses."""
    return NvidiaGpu() if torch.cuda.is_available() else None


def _free_workspaces(device: torch.device) -> int:
    """Free the workspaces of cuBLAS, which the next product makes anew; how many bytes they held.

    The function is private; torch calls it itself around the recording of a CUDA graph, and keeps
    no other way (torch/_inductor/cudagraph_trees.py, clear_cublass_cache).
    """
    before_bytes = torch.cuda.memory_allocated(device)
    bindings: Any = torch._C  # noqa: SLF001
    bindings._cuda_clearCublasWorkspaces()  # noqa: SLF001
    return before_bytes - torch.cuda.memory_allocated(device)

"""What the harness's instruments read of work whose length is known, as JSON on standard output:

    python -m tests.gpu.readings

Runs on a fake machine. Its kernels take FAKE_GPU_KERNEL_NS each, so that times, counts and bytes
can be held to numbers, and not only against each other.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from harness.devices import busy, cuda, environment, sampler
from harness.devices.cuda import NvidiaGpu
from harness.devices.instruments import Instruments
from harness.devices.kernels import Trace
from harness.devices.protocols import Accelerator, Times

KERNELS = 10
CALLS = 8
MIB = 2**20
DEVICE = NvidiaGpu()
GPU = DEVICE.torch_device


def main() -> None:
    tools = DEVICE.instruments()
    assert tools.accelerator is not None
    readings = {
        "environment": environment.describe().model_dump(mode="json"),
        **of_memory(tools),
        **of_time(tools.accelerator, tools),
        **of_nvml(tools),
        "note": tools.note,
    }
    print(json.dumps(readings))


def work() -> Callable[[], object]:
    """A call of so many kernels and nothing else."""
    numbers = torch.zeros(1000, device=GPU)

    def call() -> None:
        for _ in range(KERNELS):
            numbers.add_(1)

    call()
    torch.cuda.synchronize()
    return call


def of_time(gpu: Accelerator, tools: Instruments) -> dict[str, object]:
    call = work()
    trace, nothing = gpu.trace(call, 3), gpu.trace(lambda: None, 3)
    found = busy.measure({"eager": call}, {"eager": 1e-4}, gpu)

    def slow() -> None:
        """The host needs longer for it than the shortest sleep of the queue's method."""
        time.sleep(2 * busy.MIN_SLEEP_S)
        call()

    return {
        "annotated_stretches": len(labelled(call, 3).stretches),
        "overlapping_busy_s": gpu.trace(overlapping(gpu), 1).busy_s,
        "slow_busy_s": list(busy.measure({"eager": slow}, {"eager": 0.0}, gpu).seconds["eager"]),
        "clock": of_clock(tools.clock.time(call, CALLS)),
        "clock behind other work": behind_other_work(gpu, tools),
        "trace_busy_s": trace.busy_s,
        "trace_stretches": len(trace.stretches),
        "trace_of_nothing": len(nothing.stretches),
        "busy_s": list(found.seconds.get("eager", ())),
        "busy_notes": found.notes,
        **of_graphs(gpu, call),
        "sleep_s": slept_s(gpu),
    }


def labelled(call: Callable[[], object], calls: int) -> Trace:
    """What is made of a profile with a label around each call, which is no work of the GPU."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in range(calls):
            with record_function("a label"):
                call()
        torch.cuda.synchronize()
    return cuda.trace_of(profiler.events() or (), calls)


def overlapping(gpu: Accelerator) -> Callable[[], object]:
    """20 ms of work, with short kernels beside it on another stream."""
    numbers, beside = torch.zeros(1000, device=GPU), torch.cuda.Stream()

    def call() -> None:
        gpu.sleep(round(0.02 * cycles_per_s()))
        with torch.cuda.stream(beside):
            for _ in range(3):
                numbers.add_(1)
                time.sleep(0.002)

    return call


def of_clock(times: Times) -> dict[str, object]:
    return {
        "samples_s": times.samples_s,
        "device_s": times.device_s,
        "enqueue_s": times.enqueue_s,
    }


def behind_other_work(gpu: Accelerator, tools: Instruments) -> dict[str, object]:
    """A call while the GPU still has 0.2 s of other work."""
    gpu.sleep(round(0.2 * cycles_per_s()))
    return of_clock(tools.clock.time(work(), 1))


def of_graphs(gpu: Accelerator, call: Callable[[], object]) -> dict[str, object]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    trace = gpu.trace(graph.replay, 3)
    return {"graph_launches": trace.graph_launches, "graph_busy_s": trace.busy_s}


def slept_s(gpu: Accelerator) -> float:
    """How long 10 ms of its clock's cycles take, by events."""
    first, last = gpu.event(), gpu.event()
    first.record()
    gpu.sleep(round(0.01 * cycles_per_s()))
    last.record()
    gpu.synchronize()
    return first.elapsed_time(last) / 1000


def cycles_per_s() -> float:
    properties = torch.cuda.get_device_properties(0)
    return float(properties.clock_rate) * 1000


def of_memory(tools: Instruments) -> dict[str, object]:
    """Peaks after a larger one that was forgotten, and beside cuBLAS."""
    large = torch.empty(64 * MIB, dtype=torch.uint8, device=GPU)
    del large
    DEVICE.forget_cached_memory()
    small = torch.empty(1 * MIB, dtype=torch.uint8, device=GPU)
    peak_bytes = DEVICE.peak_memory_bytes()
    matrix = torch.empty(256, 256, device=GPU)
    matrix @ matrix
    with_cublas_bytes = torch.cuda.max_memory_allocated(GPU)
    return {
        "peak_bytes": peak_bytes,
        "peak_of_a_product_bytes": DEVICE.peak_memory_bytes(),
        "peak_with_workspace_bytes": with_cublas_bytes,
        "process_bytes": tools.process_memory_bytes(),
        "reserved_bytes": torch.cuda.memory_reserved(GPU),
        "kept": small.numel(),
    }


def of_nvml(tools: Instruments) -> dict[str, object]:
    if tools.gpu is None:
        return {}
    call = work()
    energy, _ = tools.energy({"eager": call, "compiled": call}, 4, 0.3)
    return {
        "sample": sampler.sample(tools.gpu),
        "energy": None if energy is None else energy.eager.model_dump(),
        "others": tools.gpu.other_processes(os.getpid()),
        "disturbers": tools.disturbers(),
    }


if __name__ == "__main__":
    main()

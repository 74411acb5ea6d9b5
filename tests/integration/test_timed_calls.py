"""A case on a simulated GPU: in which order its times are taken, and under which conditions."""

from __future__ import annotations

import gc

import pytest
import torch

from harness.contract.plan import Protocol
from harness.contract.vocabulary import Variant
from harness.devices.clocks import DeviceClock
from harness.devices.instruments import Instruments, for_cpu
from harness.devices.kernels import Trace
from harness.devices.nvml import open_gpu
from harness.devices.protocols import Call
from harness.measure import timed_calls
from harness.measure.failures import RecompiledError, reason_for
from harness.measure.timed_calls import Timed
from tests.fake_device import FakeDevice
from tests.fake_nvml import pynvml

PROTOCOL = Protocol(iterations=20, max_blocks=4, energy_s=0.01)


class Watched(FakeDevice):
    """Writes down what is done to it, and whether the garbage collector could have run."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.collecting: set[bool] = set()

    def launch(self, busy_s: float, host_s: float = 0.0) -> None:
        self.collecting.add(gc.isenabled())
        self.done.append("call")
        super().launch(busy_s, host_s)

    def trace(self, call: Call, calls: int) -> Trace:
        self.done.append("profiler")
        return super().trace(call, calls)


def taken(device: FakeDevice, *, energy: bool) -> Timed:
    calls: dict[Variant, Call] = {
        "eager": device.kernels(20, busy_s=1e-5, host_s=1e-4),
        "compiled": device.kernels(2, busy_s=9e-5, host_s=1e-5),
    }
    # The sampler has a process of its own, which finds no GPU here and says so.
    pynvml.energy_mj[:] = [0, 3000, 3000, 4000]
    tools = Instruments(DeviceClock(device, device.now), device, open_gpu(pynvml.UUID, pynvml))
    return timed_calls.take(calls, tools, PROTOCOL, images_per_call=1, with_energy=energy)


def test_the_profiler_comes_last_and_no_garbage_is_collected_in_any_call() -> None:
    device = Watched()
    found = taken(device, energy=True)
    assert device.collecting == {False}
    first = device.done.index("profiler")
    assert device.done[:first].count("call") > 4 * (20 + 2) * 5, "timing, then energy"
    assert found.energy is not None
    assert found.busy.seconds["eager"] == pytest.approx([20e-5] * 5)
    assert len(found.blocks) == 8


def test_an_a_a_case_takes_no_energy() -> None:
    found = taken(FakeDevice(), energy=False)
    assert found.energy is None
    assert found.flags["gradients"] == "True", "read back while measuring"


def test_a_graph_that_is_compiled_while_timing_makes_the_case_a_failure() -> None:
    torch.compiler.reset()
    lengths = iter(range(2, 100))
    compiled = torch.compile(torch.sin, backend="eager", dynamic=False)
    both: dict[Variant, Call] = {
        "eager": lambda: torch.sin(torch.ones(2)),
        "compiled": lambda: compiled(torch.ones(next(lengths))),
    }
    protocol = Protocol(iterations=2, max_blocks=2)
    with pytest.raises(RecompiledError, match="graphs were compiled while timing") as caught:
        timed_calls.take(both, for_cpu(), protocol, images_per_call=1, with_energy=False)
    assert reason_for(caught.value, "measure") == "recompiled"


def test_the_first_calls_after_a_pause_are_slow_and_fall_on_no_variant() -> None:
    device = FakeDevice()
    slow = [10e-3, 5e-3]

    def call() -> None:
        device.launch(1e-3, host_s=slow.pop(0) if slow else 1e-3)

    both: dict[Variant, Call] = {"eager": call, "compiled": call}
    tools = Instruments(DeviceClock(device, device.now), device, note="no NVML")
    protocol = Protocol(iterations=2, max_blocks=2)
    found = timed_calls.take(both, tools, protocol, images_per_call=1, with_energy=False)
    (first, *others) = [block.samples_s[0] for block in found.blocks]
    assert others == pytest.approx([first] * 3)

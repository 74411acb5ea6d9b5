from __future__ import annotations

import pytest

from harness.contract.vocabulary import Variant
from harness.devices import busy, instruments
from harness.devices.clocks import DeviceClock
from harness.devices.instruments import Instruments
from harness.devices.nvml import Library, open_gpu
from harness.devices.protocols import Call
from harness.devices.telemetry import NO_ENERGY
from harness.measure.sampling import Sampling, schedule
from harness.measure.timing import measure
from tests.fake_device import FakeDevice
from tests.fake_nvml import pynvml


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def calls(device: FakeDevice) -> dict[Variant, Call]:
    return {
        "eager": device.kernels(20, busy_s=1e-5, host_s=1e-4),
        "compiled": device.kernels(2, busy_s=9e-5, host_s=1e-5),
    }


def on(device: FakeDevice, library: Library | None = None) -> Instruments:
    gpu = None if library is None else open_gpu(pynvml.UUID, library)
    return Instruments(DeviceClock(device, device.now), device, gpu, pynvml.UUID, "no NVML: why")


def test_a_case_measured_on_a_gpu_has_its_four_times(
    device: FakeDevice, calls: dict[Variant, Call]
) -> None:
    tools, sampling = on(device), Sampling(schedule(20, 4))
    with tools.watching() as (monitor, notes):
        measure(sampling, calls, tools.clock, monitor, retakes=3)
    assert notes == ["no NVML: why"]
    found = tools.busy(calls, sampling.taken)
    assert found.seconds["eager"] == pytest.approx([20e-5] * busy.ROUNDS, rel=0.02)
    for block in sampling.taken:
        assert block.telemetry is None
        assert block.device_s is not None
        assert block.enqueue_s is not None
        expected_s = 2e-3 if block.variant == "eager" else 2e-5
        assert block.enqueue_s == pytest.approx([expected_s] * 5)


def test_energy_is_taken_of_one_variant_after_the_other(
    device: FakeDevice, calls: dict[Variant, Call]
) -> None:
    pynvml.energy_mj[:] = [1000, 3000, 3000, 4000]
    energy, note = on(device, pynvml).energy(calls, images_per_call=4, at_least_s=0.01)
    assert note == ""
    assert energy is not None
    assert (energy.eager.joules, energy.compiled.joules) == (2.0, 1.0)
    assert energy.eager.images % 4 == 0
    assert energy.compiled.seconds >= 0.01
    assert device.now_s == device.free_s, "the last call has ended before the counter is read"


def test_a_gpu_without_an_energy_counter_says_so(
    device: FakeDevice, calls: dict[Variant, Call]
) -> None:
    pynvml.energy_mj[:] = []
    assert on(device, pynvml).energy(calls, 1, at_least_s=0.01) == (None, NO_ENERGY)


def test_energy_that_is_not_asked_for_runs_nothing(calls: dict[Variant, Call]) -> None:
    device = FakeDevice()
    assert on(device, pynvml).energy(calls, 1, at_least_s=0) == (None, "")
    assert device.now_s == 100


def test_a_cpu_has_a_clock_and_the_reason_for_having_no_more(calls: dict[Variant, Call]) -> None:
    tools = instruments.for_cpu()
    with tools.watching() as (monitor, notes):
        assert monitor.between(0, 1) is None
    assert notes == ["no NVML: this is a CPU"]
    assert not tools.busy(calls, ()).seconds
    assert tools.energy(calls, 1, at_least_s=10) == (None, "")
    assert tools.process_memory_bytes() is None

from __future__ import annotations

import pytest

from harness import busy
from harness.busy import Busy
from harness.timing import Call
from harness.vocabulary import Variant
from tests.fake_device import FakeDevice


def measured(device: FakeDevice, eager: Call, compiled: Call, guess_s: float = 1e-3) -> Busy:
    calls: dict[Variant, Call] = {"eager": eager, "compiled": compiled}
    return busy.measure(calls, {"eager": guess_s, "compiled": guess_s}, device)


def test_busy_time_is_that_of_the_kernels_however_slow_the_host_is() -> None:
    device = FakeDevice()
    found = measured(
        device,
        device.kernels(50, busy_s=1e-5, host_s=1e-4),
        device.kernels(10, busy_s=2e-5, host_s=1e-5),
        guess_s=5e-3,
    )
    assert found.eager_s == pytest.approx([50e-5] * busy.ROUNDS, rel=0.01)
    assert found.compiled_s == pytest.approx([20e-5] * busy.ROUNDS, rel=0.01)
    assert found.note == ""


def test_calls_that_overfill_the_queue_are_taken_in_smaller_batches() -> None:
    device = FakeDevice(queue_length=100)
    call = device.kernels(40, busy_s=1e-4, host_s=1e-5)
    found = measured(device, call, call)
    assert found.eager_s == pytest.approx([40e-4] * busy.ROUNDS, rel=0.01)


def test_a_sleep_that_is_too_short_is_made_longer() -> None:
    device = FakeDevice()
    call = device.kernels(100, busy_s=1e-5, host_s=1e-3)
    found = measured(device, call, call, guess_s=1e-6)
    assert found.eager_s == pytest.approx([1e-3] * busy.ROUNDS, rel=0.01)


def test_a_call_that_alone_overfills_the_queue_has_no_busy_time_but_a_reason() -> None:
    device = FakeDevice(queue_length=100)
    light = device.kernels(1, 1e-4, 1e-5)
    found = measured(device, device.kernels(150, 1e-4, 1e-5), light)
    assert (found.eager_s, found.compiled_s) == (None, None)
    assert "more launches than the queue holds" in found.note


def test_a_call_that_waits_for_the_device_has_no_busy_time_but_a_reason() -> None:
    device = FakeDevice()

    def waiting() -> None:
        device.launch(1e-3, 1e-5)
        device.synchronize()

    found = measured(device, waiting, device.kernels(1, 1e-4, 1e-5))
    assert found.eager_s is None
    assert "waits for the device itself" in found.note
    assert device.now_s < 100 + 20, "tries must stay bounded"

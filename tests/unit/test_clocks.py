from __future__ import annotations

import pytest

from harness.devices.clocks import CpuClock, DeviceClock
from tests.fake_device import FakeDevice


def test_one_timed_call_gives_wall_device_and_enqueue_time() -> None:
    device = FakeDevice()
    clock = DeviceClock(device, device.now)
    times = clock.time(device.kernels(10, busy_s=1e-3, host_s=1e-4), 3)
    assert times.device_s is not None
    assert times.enqueue_s is not None
    assert times.enqueue_s == pytest.approx([1e-3] * 3)
    # The device waits for the first launch, then it is behind the host.
    assert times.device_s == pytest.approx([10.1e-3] * 3, rel=1e-3)
    assert times.samples_s == pytest.approx([10.1e-3] * 3, rel=1e-3)
    assert all(d <= w for d, w in zip(times.device_s, times.samples_s, strict=True))


def test_the_wall_clock_holds_the_recording_of_the_last_event_alone() -> None:
    device = FakeDevice(event_cost_s=0.5)
    times = DeviceClock(device, device.now).time(device.kernels(1, busy_s=1e-3, host_s=1e-4), 2)
    assert times.samples_s == pytest.approx([0.5 + 1e-4] * 2)
    assert times.enqueue_s == pytest.approx([1e-4] * 2)


def test_a_launch_bound_call_takes_on_the_device_as_long_as_the_host_enqueues() -> None:
    device = FakeDevice()
    times = DeviceClock(device, device.now).time(device.kernels(10, 1e-5, 1e-4), 2)
    assert times.enqueue_s == pytest.approx([1e-3] * 2)
    assert times.device_s == pytest.approx([1.01e-3] * 2, rel=1e-2)


def test_every_call_starts_from_an_empty_queue() -> None:
    device = FakeDevice()
    device.launch(5.0)
    times = DeviceClock(device, device.now).time(device.kernels(1, 1e-3, 1e-5), 2)
    assert max(times.samples_s) < 2e-3


def test_events_are_made_and_first_recorded_before_anything_is_timed() -> None:
    device = FakeDevice()
    clock = DeviceClock(device, device.now)
    made_during_calls: list[int] = []
    clock.time(lambda: made_during_calls.append(device.events_made), 5)
    clock.time(lambda: made_during_calls.append(device.events_made), 3)
    assert made_during_calls == [10] * 8


def test_a_cpu_has_wall_time_only() -> None:
    times = CpuClock().time(lambda: None, 4)
    assert len(times.samples_s) == 4
    assert times.device_s is None
    assert times.enqueue_s is None

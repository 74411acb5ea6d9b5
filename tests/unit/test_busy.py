from __future__ import annotations

import pytest

from harness.contract.vocabulary import Variant
from harness.devices import busy
from harness.devices.busy import Busy
from harness.devices.protocols import Call
from tests.fake_device import FakeDevice


def measured(device: FakeDevice, eager: Call, compiled: Call, guess_s: float = 1e-3) -> Busy:
    calls: dict[Variant, Call] = {"eager": eager, "compiled": compiled}
    return busy.measure(calls, {"eager": guess_s, "compiled": guess_s}, device)


def without_profiler(queue_length: int = 1000) -> FakeDevice:
    return FakeDevice(queue_length, has_profiler=False)


def test_busy_time_is_that_of_the_kernels_without_gaps_and_without_the_host() -> None:
    device = FakeDevice(gap_s=1e-5)
    found = measured(
        device,
        device.kernels(50, busy_s=1e-5, host_s=1e-4),
        device.kernels(10, busy_s=2e-5, host_s=1e-5),
    )
    assert found.seconds["eager"] == pytest.approx([50e-5] * busy.ROUNDS)
    assert found.seconds["compiled"] == pytest.approx([20e-5] * busy.ROUNDS)
    assert found.graph_launches == 0
    assert found.notes == ()


def test_a_call_that_replays_cuda_graphs_says_how_many() -> None:
    device = FakeDevice()

    def replay() -> None:
        device.graph_launches += 2
        device.launch(1e-3, 1e-5)

    assert measured(device, device.kernels(5, 1e-5, 1e-5), replay).graph_launches == 2


def test_a_call_that_waits_for_the_device_has_a_busy_time_all_the_same() -> None:
    device = FakeDevice()

    def waiting() -> None:
        device.launch(1e-3, 1e-5)
        device.synchronize()

    found = measured(device, waiting, device.kernels(150, 1e-4, 1e-5))
    assert found.seconds["eager"] == pytest.approx([1e-3] * busy.ROUNDS)


def test_a_variant_without_kernels_leaves_the_other_one_as_it_is() -> None:
    device = FakeDevice()
    found = measured(device, device.kernels(5, 1e-5, 1e-5), lambda: None)
    assert found.seconds["eager"] == pytest.approx([5e-5] * busy.ROUNDS)
    assert found.graph_launches is None
    (note,) = found.notes
    assert "device-busy time of compiled" in note


def test_without_a_profiler_it_is_that_of_calls_that_have_queued_up_gaps_included() -> None:
    device = FakeDevice(has_profiler=False, gap_s=1e-6)
    found = measured(
        device,
        device.kernels(50, busy_s=1e-5, host_s=1e-4),
        device.kernels(10, busy_s=2e-5, host_s=1e-5),
        guess_s=5e-3,
    )
    assert found.seconds["eager"] == pytest.approx([55e-5] * busy.ROUNDS, rel=0.01)
    assert found.seconds["compiled"] == pytest.approx([21e-5] * busy.ROUNDS, rel=0.01)
    assert [note.rpartition(": ")[2] for note in found.notes] == ["the profiler saw no kernel"] * 2
    assert found.graph_launches is None


def test_calls_that_overfill_the_queue_are_taken_in_smaller_batches() -> None:
    device = without_profiler(100)
    call = device.kernels(40, busy_s=1e-4, host_s=1e-5)
    found = measured(device, call, call)
    assert found.seconds["eager"] == pytest.approx([40e-4] * busy.ROUNDS, rel=0.01)


def test_a_sleep_that_is_too_short_is_made_longer() -> None:
    device = without_profiler()
    call = device.kernels(100, busy_s=1e-5, host_s=1e-3)
    found = measured(device, call, call, guess_s=1e-6)
    assert found.seconds["eager"] == pytest.approx([1e-3] * busy.ROUNDS, rel=0.01)


def test_a_call_that_alone_overfills_the_queue_has_no_busy_time_but_a_reason() -> None:
    device = without_profiler(100)
    light = device.kernels(1, 1e-4, 1e-5)
    found = measured(device, device.kernels(150, 1e-4, 1e-5), light)
    assert found.seconds.keys() == {"compiled"}, "what one lacks leaves the other's as it is"
    assert "time of eager is unknown" in found.notes[0]
    assert "more launches than the queue holds" in found.notes[0]


def test_a_call_that_waits_for_the_device_has_no_busy_time_but_a_reason() -> None:
    device = without_profiler()

    def waiting() -> None:
        device.launch(1e-3, 1e-5)
        device.synchronize()

    found = measured(device, waiting, device.kernels(1, 1e-4, 1e-5))
    assert found.seconds.keys() == {"compiled"}
    assert "waits for the device itself" in found.notes[0]
    assert device.now_s < 100 + 20, "tries must stay bounded"

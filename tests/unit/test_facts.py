from __future__ import annotations

import pytest

from harness.contract.records import Device
from harness.contract.vocabulary import Precision
from orchestrator.compare.facts import Bound, bound, facts_of
from orchestrator.compare.peaks import peak_flops
from tests.factories import case, environment, measurement, on_gpu


@pytest.mark.parametrize(
    ("device_s", "enqueue_s", "busy_s", "expected"),
    [
        (0.0111, 0.002, 0.0100, "launch-bound"),  # the device idles between its kernels
        (0.0101, 0.0095, 0.0100, "launch-bound"),  # the host is hardly done when the device is
        (0.0102, 0.0079, 0.0100, "GPU-bound"),
        (0.0104, 0.002, 0.0100, "mixed"),
        (0.0100, 0.009, 0.0100, "mixed"),
        (0.0100, 0.009, None, None),
        (None, None, None, None),
        (0.0100, 0.009, 0.0, None),
    ],
)
def test_the_label_follows_the_thresholds(
    device_s: float | None, enqueue_s: float | None, busy_s: float | None, expected: Bound | None
) -> None:
    assert bound(device_s, enqueue_s, busy_s) == expected


def test_each_variant_has_its_own_label() -> None:
    found = facts_of(
        on_gpu(
            measurement(), device_s=(0.010, 0.008), enqueue_s=(0.009, 0.001), busy_s=(0.006, 0.008)
        ),
        environment().device,
    )
    assert (found.eager.bound, found.compiled.bound) == ("launch-bound", "GPU-bound")


def test_a_cpu_has_no_label() -> None:
    found = facts_of(measurement(), environment().device)
    assert found.eager.bound is None
    assert found.observed == 0


def test_utilisation_is_what_a_model_does_per_second_of_what_the_device_could() -> None:
    # 35 GFLOP in 10 ms are 3.5 TFLOP/s; an A100 makes 312 in float16.
    measured = on_gpu(measurement(case(precision="float16")))
    assert facts_of(measured, environment().device).eager.utilisation == pytest.approx(3.5 / 312)


def test_there_is_no_one_peak_for_a_mixture_of_tf32_and_ieee() -> None:
    assert peak_flops(environment().device, "float32") is None


@pytest.mark.parametrize(
    ("name", "capability", "precision", "expected"),
    [
        ("Tesla T4", "7.5", "float32", 8.1e12),
        ("Tesla T4", "7.5", "bfloat16", None),
        ("Tesla V100-SXM2-16GB", "7.0", "float16", 125e12),
        ("NVIDIA H100 80GB HBM3", "9.0", "tf32", 494.7e12),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "8.0", "float16", None),
        ("NVIDIA L40", "8.9", "float16", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "8.9", "float16", None),
    ],
)
def test_only_a_gpu_known_by_its_full_name_has_a_peak(
    name: str, capability: str, precision: Precision, expected: float | None
) -> None:
    device = Device(type="cuda", name=name, capability=capability)
    assert peak_flops(device, precision) == expected


def test_energy_is_per_image_and_needs_ten_seconds() -> None:
    measured = on_gpu(measurement(case(batch_size=4)), joules=(4800.0, 2400.0))
    found = facts_of(measured, None)
    assert found.eager.joules_per_image == pytest.approx(1.0)
    assert measured.energy is not None
    short = measured.energy.eager.model_copy(update={"seconds": 9.0})
    hasty = measured.model_copy(
        update={"energy": measured.energy.model_copy(update={"eager": short})}
    )
    assert facts_of(hasty, None).eager.joules_per_image is None


@pytest.mark.parametrize(("compiled_mhz", "differ"), [(1410, False), (1397, False), (1390, True)])
def test_clocks_more_than_one_percent_apart_are_told_of(compiled_mhz: float, differ: bool) -> None:
    found = facts_of(on_gpu(measurement(), clocks_mhz=(1410, compiled_mhz)), None)
    assert found.clocks_differ is differ


def test_blocks_that_were_throttled_or_retaken_are_counted() -> None:
    found = facts_of(on_gpu(measurement(), throttle=("sw_power_cap",), retaken=2), None)
    assert found.throttled == (("sw_power_cap", 60),)
    assert (found.observed, found.retaken) == (60, 2)

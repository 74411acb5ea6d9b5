"""What only a GPU can show. Skipped without one; REQUIRE_GPU=1 makes that a failure."""

from __future__ import annotations

import os

import pytest

from harness.records import Measurement, Started
from orchestrator.hosts.local import has_gpu
from tests.integration.test_harness import measured, results, tiny

pytestmark = pytest.mark.skipif(
    not has_gpu() and os.environ.get("REQUIRE_GPU") != "1",
    reason="no NVIDIA GPU: nvidia-smi lists none",
)


def test_a_case_is_measured_on_the_gpu_with_device_times_below_wall_times() -> None:
    records = measured(tiny(backend="inductor", modes=("default", "reduce-overhead")))
    started = next(record for record in records if isinstance(record, Started))
    assert started.environment.device.type == "cuda"
    for result in results(records).values():
        assert isinstance(result, Measurement), result
        assert result.clock == "cuda"
        assert result.eager_peak_memory_bytes
        for block in result.blocks:
            assert block.device_s is not None
            for wall_s, device_s in zip(block.samples_s, block.device_s, strict=True):
                assert 0 < device_s < wall_s

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.contract.records import BlockTelemetry
from harness.devices import sampler
from harness.devices.nvml import NvmlUnavailableError, open_gpu
from harness.devices.telemetry import Sample, Samples, energy_use, sampling

FAKE = Path(__file__).parent.parent / "fake_nvml"


@pytest.fixture
def library() -> Any:
    """The fake NVML, loaded anew for each test."""
    spec = importlib.util.spec_from_file_location("fake_pynvml", FAKE / "pynvml.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_pynvml"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def with_fake_nvml(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A sampler process started now finds the fake NVML."""
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    return monkeypatch


def sample(time_s: float, clock: float | None = 1410, *throttle: str) -> Sample:
    return Sample(time_s, clock, None, 60, 70.0, list(throttle))


def collected(*samples: Sample) -> Samples:
    kept = Samples()
    for each in samples:
        kept.add(each)
    return kept


def test_a_block_gets_the_medians_and_every_throttle_reason_of_its_own_samples() -> None:
    kept = collected(
        sample(0.9, 300, "idle"),
        sample(1.0, 1400),
        sample(1.1, 1410, "power cap"),
        sample(1.2, None, "power cap", "hardware slowdown"),
        sample(1.4, 300, "idle"),
    )
    assert kept.between(0.95, 1.25) == BlockTelemetry(
        sm_clock_mhz=1405,
        memory_clock_mhz=None,
        temperature_c=60,
        power_w=70.0,
        throttle=("power cap", "hardware slowdown"),
    )


def test_a_block_shorter_than_the_period_gets_the_sample_next_to_it() -> None:
    kept = collected(sample(1.0, 1000), sample(1.1, 2000))
    near = kept.between(1.06, 1.07)
    assert near is not None
    assert near.sm_clock_mhz == 2000


def test_a_block_long_after_the_last_sample_has_no_telemetry() -> None:
    assert collected(sample(1.0)).between(1.3, 1.4) is None
    assert Samples().between(0, 1) is None


def test_only_a_sample_from_after_a_time_has_looked_since_then() -> None:
    kept = collected(sample(1.0))
    assert kept.has_any_since(1.0)
    assert not kept.has_any_since(1.01)
    assert not Samples().has_any_since(0)


def test_only_the_latest_minutes_are_kept() -> None:
    kept = collected(*(sample(0.1 * index) for index in range(10_000)))
    assert len(kept.kept) <= 1201
    assert kept.between(999.0, 1000.0) is not None


def test_one_sample_says_what_the_gpu_does_and_leaves_out_what_it_does_not_report(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NVML_THROTTLE", str(0x4 | 0x20))
    taken = Sample(**sampler.sample(open_gpu(library.UUID, library)))  # type: ignore[arg-type]
    assert (taken.sm_clock_mhz, taken.memory_clock_mhz) == (600, None)
    assert (taken.temperature_c, taken.power_w) == (61, 70.5)
    assert taken.throttle == ["power cap", "software thermal slowdown"]


def test_the_sampler_process_delivers_samples_until_its_reader_is_done(
    with_fake_nvml: pytest.MonkeyPatch, library: Any
) -> None:
    with sampling(library.UUID) as monitor:
        start_s = time.monotonic()
        time.sleep(0.5)
        seen = monitor.between(start_s, time.monotonic())
        assert monitor.note == ""
    assert seen is not None
    assert seen.sm_clock_mhz == 1410
    assert seen.power_w == 70.5


def test_without_nvml_the_sampler_says_why(
    with_fake_nvml: pytest.MonkeyPatch, library: Any
) -> None:
    with_fake_nvml.setenv("FAKE_NVML_ERROR", "Driver Not Loaded")
    with sampling(library.UUID) as monitor:
        assert monitor.note == "no NVML: Driver Not Loaded"
        assert monitor.between(0, time.monotonic()) is None


def test_an_unknown_gpu_cannot_be_opened(library: Any) -> None:
    with pytest.raises(NvmlUnavailableError, match="no NVML: Not Found"):
        open_gpu("GPU-ffff", library)


def test_the_sampler_ends_when_nobody_reads_and_samples_ten_times_a_second_at_most(
    with_fake_nvml: pytest.MonkeyPatch, library: Any
) -> None:
    command = [sys.executable, "-m", "harness.devices.sampler", library.UUID]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        times_s = [json.loads(process.stdout.readline())["time_s"] for _ in range(4)]
        process.stdout.close()
        assert process.wait(timeout=10) == 0
    assert all(b - a >= sampler.PERIOD_S for a, b in itertools.pairwise(times_s))


def test_the_sampler_imports_nothing_heavy() -> None:
    code = "import harness.devices.sampler, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert not {"torch", "numpy", "pydantic"} & set(done.stdout.split())


def test_energy_is_what_the_counter_grew_by_while_whole_calls_ran(library: Any) -> None:
    library.energy_mj[:] = [5_000_000, 5_700_000]
    gpu = open_gpu(library.UUID, library)
    clock = itertools.count(0.0, 4.0)
    use = energy_use(gpu, lambda: None, images_per_call=16, at_least_s=10, now=lambda: next(clock))
    assert use is not None
    assert (use.joules, use.images, use.seconds) == (700, 48, 12)


def test_a_gpu_without_a_counter_has_no_energy_and_runs_nothing_for_it(library: Any) -> None:
    def never() -> None:
        raise AssertionError

    assert energy_use(open_gpu(library.UUID, library), never, 1, 10) is None


def test_process_memory_is_that_of_the_process_or_of_the_only_one(library: Any) -> None:
    gpu = open_gpu(library.UUID, library)
    assert gpu.process_memory_bytes(1) is None
    library.processes[:] = [library.Process(77, 2**30)]
    assert gpu.process_memory_bytes(1) == 2**30  # in a container process ids differ
    library.processes.append(library.Process(1, 2**20))
    assert gpu.process_memory_bytes(1) == 2**20
    assert gpu.process_memory_bytes(2) is None

"""What instruments read of a fake GPU, whose times, clocks and bytes are known to the digit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median
from typing import Any

import pytest

from tests.fake_gpu.machine import FakeMachine
from tests.gpu.conftest import Factory
from tests.gpu.readings import CALLS, KERNELS
from tests.integration.running import ROOT

MIB = 2**20
CONTEXT_BYTES = 300 * MIB
# As the fake has them: cores' and memory's clock in MHz, watts at five eighths of the limit.
OF_KIND = {
    "a100": {"sm": 1410, "memory": 1215, "watts": 250.0, "capability": "8.0", "cores": 108},
    "t4": {"sm": 1590, "memory": 5001, "watts": 43.75, "capability": "7.5", "cores": 40},
}


def readings(machine: FakeMachine, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.readings"],
        cwd=ROOT,
        env=os.environ | machine.environment() | environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"USDT" not in done.stderr, "the profiler writes to standard error"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", list(OF_KIND))
def test_slow_kernels_fill_the_time_between_the_events(fake_machine: Factory, kind: str) -> None:
    kernel_s, gap_s = 2e-3, 1e-6
    found = readings(fake_machine(kind, kernel_ns=2_000_000))
    clock = found["clock"]
    for name in ("samples_s", "device_s", "enqueue_s"):
        assert len(clock[name]) == CALLS
    # The median: another program may take the processor away in the middle of a call.
    wall_s, device_s = median(clock["samples_s"]), median(clock["device_s"])
    assert device_s == pytest.approx(KERNELS * (kernel_s + gap_s), rel=0.05)
    assert device_s * 0.99 < wall_s < device_s + 0.01
    assert median(clock["enqueue_s"]) < 0.5 * wall_s
    behind = found["clock behind other work"]
    assert behind["samples_s"][0] < 0.1, "a call is timed from an empty queue"
    assert behind["device_s"][0] < 0.1
    assert found["trace_busy_s"] == pytest.approx(KERNELS * kernel_s, rel=0.02)
    assert found["graph_busy_s"] == pytest.approx(KERNELS * kernel_s, rel=0.02)
    assert found["busy_s"] == pytest.approx([KERNELS * kernel_s] * 5, rel=0.02)
    assert found["busy_notes"] == []
    assert found["overlapping_busy_s"] == pytest.approx(0.02, rel=0.05), "counted once"
    assert found["sleep_s"] == pytest.approx(0.01, rel=0.05)
    energy = found["energy"]
    per_call_s = energy["seconds"] / (energy["images"] / 4)
    assert per_call_s >= 0.95 * KERNELS * kernel_s, "calls that have ended"


@pytest.mark.parametrize("kind", list(OF_KIND))
def test_fast_kernels_leave_gaps_that_are_no_work_of_the_gpu(
    fake_machine: Factory, kind: str
) -> None:
    kernel_s = 2e-6
    found = readings(fake_machine(kind, kernel_ns=2_000))
    busy_s = KERNELS * kernel_s
    assert found["trace_stretches"] == 3 * KERNELS, "kernels, and no call of the host"
    assert found["annotated_stretches"] == 3 * KERNELS, "kernels, and no label"
    assert found["trace_of_nothing"] == 0
    assert found["trace_busy_s"] == pytest.approx(busy_s, rel=0.1)
    assert found["busy_s"] == pytest.approx([busy_s] * 5, rel=0.1)
    assert found["graph_launches"] == 3
    device_s, enqueue_s = median(found["clock"]["device_s"]), median(found["clock"]["enqueue_s"])
    assert device_s > busy_s + KERNELS * 1e-6, "the GPU waits for the host"
    assert enqueue_s > 0.5 * device_s


def test_without_a_profiler_a_queue_that_is_enqueued_ahead_is_timed(fake_machine: Factory) -> None:
    found = readings(fake_machine(kernel_ns=50_000, gap_ns=10_000, cupti="blind"))
    assert found["trace_stretches"] == 0
    for name in ("busy_s", "slow_busy_s"):  # a round for which the host came late is left out
        assert 1 <= len(found[name]) <= 5
        assert found[name] == pytest.approx([KERNELS * 60e-6] * len(found[name]), rel=0.05)
    assert "holds the gaps between kernels" in found["busy_notes"][0]


@pytest.mark.parametrize("kind", list(OF_KIND))
def test_a_gpu_is_described_as_it_is(fake_machine: Factory, kind: str) -> None:
    machine = fake_machine(kind)
    found, known = readings(machine), OF_KIND[kind]
    device = found["environment"]["device"]
    assert device["type"] == "cuda"
    assert device["name"].startswith("Fake ")
    assert device["uuid"] == machine.uuids[0]
    assert device["capability"] == known["capability"]
    assert device["multiprocessors"] == known["cores"]
    assert device["driver"]
    sample = found["sample"]
    assert sample["sm_clock_mhz"] == known["sm"]
    assert sample["memory_clock_mhz"] == known["memory"]
    assert sample["power_w"] == known["watts"]
    assert sample["temperature_c"] == 61
    assert sample["throttle"] == []
    energy = found["energy"]
    assert energy["joules"] / energy["seconds"] == pytest.approx(known["watts"], rel=0.05)
    assert energy["images"] % 4 == 0
    assert (found["others"], found["disturbers"], found["note"]) == ([], [], "")


def test_memory_is_that_of_tensors_since_it_was_forgotten(fake_machine: Factory) -> None:
    found = readings(fake_machine())
    assert found["peak_bytes"] == found["kept"] == MIB
    matrices_bytes = 2 * 256 * 256 * 4
    assert found["peak_of_a_product_bytes"] == MIB + matrices_bytes
    assert found["peak_with_workspace_bytes"] > 8 * MIB
    assert found["process_bytes"] == CONTEXT_BYTES + found["reserved_bytes"]


@pytest.mark.parametrize("pid_offset", [0, 100_000])
def test_who_else_computes_on_the_gpu_is_told_by_name_or_in_a_container_without(
    fake_machine: Factory, pid_offset: int
) -> None:
    machine = fake_machine(pid_offset=pid_offset)
    machine.add_process(2_000_001, 3 * 2**30)
    found = readings(machine)
    named = "another process" if pid_offset else "process 2000001 with 3.0 GiB"
    assert found["others"] == [named]
    assert found["disturbers"] == [f"not alone on the GPU while it was timed: {named}"]
    known_bytes = CONTEXT_BYTES + found["reserved_bytes"]
    assert found["process_bytes"] == (None if pid_offset else known_bytes)


@pytest.mark.parametrize(
    ("bits", "names"),
    [
        ("0x4", ["power cap"]),
        ("0x8", ["hardware slowdown"]),
        ("0x20", ["software thermal slowdown"]),
        ("0x40", ["hardware thermal slowdown"]),
        ("0x80", ["hardware power brake slowdown"]),
        ("0x48", ["hardware slowdown", "hardware thermal slowdown"]),
    ],
)
def test_every_reason_for_lower_clocks_has_its_name(
    fake_machine: Factory, bits: str, names: list[str]
) -> None:
    machine = fake_machine(throttle=bits)
    with subprocess.Popen(
        [sys.executable, "-m", "harness.devices.sampler", machine.uuids[0]],
        cwd=ROOT,
        env=os.environ | machine.environment(),
        stdout=subprocess.PIPE,
    ) as sampling:
        assert sampling.stdout is not None
        line = sampling.stdout.readline()
        sampling.kill()
    assert json.loads(line)["throttle"] == names

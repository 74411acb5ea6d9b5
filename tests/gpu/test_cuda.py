"""What only a GPU can show. Skipped without one; REQUIRE_GPU=1 makes that a failure."""

from __future__ import annotations

import functools
import os

import pytest

from harness.plan import Case, Plan, Protocol
from harness.records import CompileEvidence, Failure, Measurement, Started
from harness.vocabulary import Precision
from orchestrator.hosts.local import has_gpu
from orchestrator.statistics import statistics
from tests.integration.running import measured, results, tiny

pytestmark = pytest.mark.skipif(
    not has_gpu() and os.environ.get("REQUIRE_GPU") != "1",
    reason="no NVIDIA GPU: nvidia-smi lists none",
)
A_A = Case(model="vit-base", mode="eager", precision="float32", batch_size=1)
PROTOCOL = Protocol(iterations=100, warmup_min_s=0.5, energy_s=2.0)


def plan(**settings: object) -> Plan:
    chosen = {"backend": "inductor", "protocol": PROTOCOL, "size": "full"}
    return tiny(**(chosen | settings))


@functools.cache
def of_every_kind() -> dict[str, Measurement | Failure]:
    """One model at full size: A/A, default and with CUDA graphs."""
    return results(measured(plan(modes=("default", "reduce-overhead"), noise_floor=(A_A,))))


def measurement(case_id: str) -> Measurement:
    found = of_every_kind()[case_id]
    assert isinstance(found, Measurement), found
    return found


def evidence(of: Measurement) -> CompileEvidence:
    assert of.compile_evidence is not None
    return of.compile_evidence


def test_a_gpu_is_found_and_its_torch_has_code_for_it() -> None:
    records = measured(tiny(backend="inductor"))
    started = next(record for record in records if isinstance(record, Started))
    assert started.environment.device.type == "cuda"
    assert started.environment.device.uuid is not None
    assert started.environment.torch_arch_list


def test_every_call_has_wall_device_and_enqueue_time_in_that_order_of_length() -> None:
    for case_id in of_every_kind():
        for block in measurement(case_id).blocks:
            assert block.device_s is not None
            assert block.enqueue_s is not None
            for wall_s, device_s in zip(block.samples_s, block.device_s, strict=True):
                assert 0 < device_s < wall_s
            for wall_s, enqueue_s in zip(block.samples_s, block.enqueue_s, strict=True):
                assert 0 < enqueue_s < wall_s


def test_device_busy_time_is_no_longer_than_device_time() -> None:
    for case_id in of_every_kind():
        found = measurement(case_id)
        assert found.eager_busy_s, found.notes
        assert found.compiled_busy_s, found.notes
        assert not found.notes, "the profiler saw the kernels"
        device_s = [t for b in found.blocks if b.variant == "eager" for t in b.device_s or ()]
        assert min(found.eager_busy_s) <= 1.05 * sum(device_s) / len(device_s)


def test_a_model_split_around_the_host_says_so_though_it_skips_nothing() -> None:
    import torch

    from harness import cuda_graphs

    def split(x: torch.Tensor) -> torch.Tensor:
        return (x.sin().cpu() + 1).to("cuda").cos()

    with torch.no_grad(), cuda_graphs.skips() as reasons:
        call = torch.compile(split, mode="reduce-overhead", dynamic=False)
        for _ in range(4):
            call(torch.ones(1000, device="cuda"))
    assert any(reason.startswith(("split because", "cudagraph partition")) for reason in reasons)


def test_every_block_has_telemetry_and_the_case_its_energy_and_memory() -> None:
    found = measurement("vit-base/default/float32/b1")
    assert found.telemetry_note == ""
    for block in found.blocks:
        assert block.telemetry is not None
        assert block.telemetry.sm_clock_mhz
    assert found.energy is not None
    assert found.energy.eager.seconds >= PROTOCOL.energy_s
    assert found.energy.eager.joules > 0
    assert found.eager_peak_memory_bytes
    assert found.compiled_peak_memory_bytes


def test_eager_against_itself_is_the_same() -> None:
    blocks = measurement(A_A.case_id).blocks
    eager, alike = (
        [list(block.samples_s) for block in blocks if block.variant == variant]
        for variant in ("eager", "compiled")
    )
    estimate = statistics.speed_up(eager, alike)
    assert abs(estimate.value - 1) < 0.02


def test_reduce_overhead_uses_cuda_graphs_and_default_does_not() -> None:
    graphs = measurement("vit-base/reduce-overhead/float32/b1")
    assert evidence(graphs).cuda_graph_skips == 0, evidence(graphs).cuda_graph_skip_reasons
    assert evidence(graphs).cuda_graphs, "recorded"
    assert evidence(graphs).cuda_graph_launches, "and launched by what was timed"
    plain = measurement("vit-base/default/float32/b1")
    assert evidence(plain).cuda_graphs is None
    enqueue_s = {
        found.case.mode: min(t for block in found.blocks for t in block.enqueue_s or ())
        for found in (graphs, plain)
    }
    assert enqueue_s["reduce-overhead"] < enqueue_s["default"]


def test_max_autotune_runs_and_says_what_this_gpu_is_too_small_for() -> None:
    import torch
    from torch._inductor.utils import is_big_gpu

    (found,) = results(measured(plan(modes=("max-autotune",), size="tiny"))).values()
    assert isinstance(found, Measurement), found
    assert bool(evidence(found).gates) is not is_big_gpu(torch.device("cuda", 0))


@pytest.mark.parametrize(
    ("precision", "matmul", "conv"), [("ieee", "ieee", "ieee"), ("tf32", "tf32", "tf32")]
)
def test_float32_arithmetic_is_set_and_read_back(
    precision: Precision, matmul: str, conv: str
) -> None:
    (found,) = results(measured(plan(precisions=(precision,), size="tiny"))).values()
    if isinstance(found, Failure):  # TF32 exists from compute capability 8.0 on
        assert (precision, found.reason) == ("tf32", "unsupported")
        return
    assert found.flags["matmul fp32_precision"] == matmul
    assert found.flags["conv fp32_precision"] == conv


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precisions_are_measured_or_refused_where_they_are_emulated(
    precision: Precision,
) -> None:
    (found,) = results(measured(plan(precisions=(precision,), size="tiny"))).values()
    if isinstance(found, Failure):
        assert (precision, found.reason) == ("bfloat16", "unsupported")
        return
    assert found.facts.dtype == precision


def test_times_are_those_of_other_instruments() -> None:
    from benchmarks import overhead

    found = overhead.compare("full")
    assert found["device time / event loop"].value == pytest.approx(1, abs=0.01)
    assert found["device-busy / profiler's kernels"].value == pytest.approx(1, abs=0.03)

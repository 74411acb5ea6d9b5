"""What a case on a GPU is made of, on a real GPU where there is one and else on a fake one.

A fake one has no speed and no noise: what is about those is left to a real one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from benchmarks.ledger import Ledger
from harness.contract.plan import Case, Plan, Protocol
from harness.contract.records import CompileEvidence, Failure, Measurement
from harness.contract.vocabulary import Precision
from orchestrator.statistics import statistics
from tests.gpu.conftest import is_real
from tests.gpu.harness_runs import QUICK, Outcome, brief, run
from tests.integration.running import ROOT

pytestmark = pytest.mark.essential
A_A = Case(model="vit-base", recipe="eager", precision="float32", batch_size=1)
FULL = Protocol(
    iterations=100, warmup_min_s=0.5, energy_s=2.0, case_processes="fork", warm_cache=True
)
BRIEF = QUICK.model_copy(update={"iterations": 30, "energy_s": 0.5, "warm_cache": True})


def plan(**settings: object) -> Plan:
    """Of one full-size model on a real GPU, of a tiny one on a fake one."""
    chosen: dict[str, object] = {"recipes": ("default",), "protocol": BRIEF}
    if is_real():
        chosen |= {"protocol": FULL, "size": "full"}
    return brief(**(chosen | settings))


@pytest.fixture(scope="module")
def outcome(gpu_environment_of_session: dict[str, str]) -> Outcome:
    """One model of every kind: A/A, default, and with CUDA graphs in two ways."""
    recipes = ("default", "reduce-overhead", "cudagraphs")
    return run(plan(recipes=recipes, noise_floor=(A_A,)), gpu_environment_of_session)


@pytest.fixture(scope="module")
def every(outcome: Outcome) -> list[Measurement]:
    assert not outcome.failures, outcome.failures
    assert len(outcome.measurements) == 4
    return list(outcome.measurements.values())


def of_mode(every: list[Measurement], mode: str) -> Measurement:
    return next(found for found in every if found.case.mode == mode)


def evidence(of: Measurement) -> CompileEvidence:
    assert of.compile_evidence is not None
    return of.compile_evidence


def test_a_gpu_is_found_and_its_torch_has_code_for_it(outcome: Outcome) -> None:
    environment = outcome.started.environment
    assert environment.device.type == "cuda"
    assert environment.device.uuid is not None
    assert environment.device.driver
    assert environment.device.memory_bytes
    assert environment.torch_arch_list
    assert environment.cudnn_version
    assert outcome.code == 0


def test_nothing_of_a_profile_is_written_to_standard_error(outcome: Outcome) -> None:
    assert "USDT" not in outcome.errors


def test_every_call_has_wall_device_and_enqueue_time_in_that_order_of_length(
    every: list[Measurement],
) -> None:
    for found in every:
        for block in found.blocks:
            assert block.device_s is not None
            assert block.enqueue_s is not None
            assert min(block.device_s) > 0
            for wall_s, enqueue_s in zip(block.samples_s, block.enqueue_s, strict=True):
                assert 0 < enqueue_s < wall_s
        # Of a case, and not of each call: the wall clock starts behind the first event, and another
        # program may take the processor away between the two.
        device_s = [time_s for block in found.blocks for time_s in block.device_s or ()]
        assert (
            median(device_s) < median(s for block in found.blocks for s in block.samples_s) + 1e-4
        )


def test_device_busy_time_is_no_longer_than_device_time(every: list[Measurement]) -> None:
    for found in every:
        assert found.eager_busy_s, found.notes
        assert found.compiled_busy_s, found.notes
        assert not found.notes, "the profiler saw the kernels, and nobody else was there"
        device_s = [t for b in found.blocks if b.variant == "eager" for t in b.device_s or ()]
        assert 0 < min(found.eager_busy_s) <= 1.05 * sum(device_s) / len(device_s)


def test_every_block_has_telemetry_and_the_case_its_energy_and_memory(
    every: list[Measurement],
) -> None:
    found = of_mode(every, "default")
    assert found.telemetry_note == ""
    for block in found.blocks:
        assert block.telemetry is not None
        assert block.telemetry.sm_clock_mhz
        assert block.telemetry.power_w
    assert found.energy is not None
    for use in (found.energy.eager, found.energy.compiled):
        assert use.seconds >= BRIEF.energy_s
        assert 1 < use.joules / use.seconds < 2000, "watts of one GPU"
    assert found.eager_peak_memory_bytes
    assert found.compiled_peak_memory_bytes
    assert 0.5 < found.compiled_peak_memory_bytes / found.eager_peak_memory_bytes < 3
    assert found.eager_process_memory_bytes is None or (
        found.eager_process_memory_bytes > found.eager_peak_memory_bytes
    )


@pytest.mark.skipif(not is_real(), reason="a fake GPU has no noise")
def test_eager_against_itself_is_the_same(every: list[Measurement]) -> None:
    blocks = of_mode(every, "eager").blocks
    eager, alike = (
        [list(block.samples_s) for block in blocks if block.variant == variant]
        for variant in ("eager", "compiled")
    )
    estimate = statistics.speed_up(eager, alike)
    assert abs(estimate.value - 1) < 0.02


def test_the_recipe_of_graphs_alone_records_them_and_generates_no_code(
    every: list[Measurement],
) -> None:
    found = evidence(of_mode(every, "cudagraphs"))
    assert (found.backend, found.graphs, found.kernels) == ("cudagraphs", 1, None)
    assert (found.cuda_graphs, found.cuda_graph_launches) == (1, 1)
    assert (found.cuda_graph_skips, found.cuda_graph_skip_reasons) == (0, ())


def test_reduce_overhead_uses_cuda_graphs_and_default_does_not(every: list[Measurement]) -> None:
    graphs, plain = of_mode(every, "reduce-overhead"), of_mode(every, "default")
    assert evidence(graphs).cuda_graph_skips == 0, evidence(graphs).cuda_graph_skip_reasons
    assert evidence(graphs).cuda_graphs == 1, "recorded"
    assert evidence(graphs).cuda_graph_launches == 1, "and launched by what was timed"
    assert evidence(plain).cuda_graphs is None
    assert evidence(plain).kernels
    enqueue_s = {
        found.case.mode: min(
            t
            for block in found.blocks
            if block.variant == "compiled"
            for t in block.enqueue_s or ()
        )
        for found in (graphs, plain)
    }
    assert enqueue_s["reduce-overhead"] < enqueue_s["default"]


def test_compiling_takes_longer_than_running_and_less_with_filled_caches(
    every: list[Measurement],
) -> None:
    found = of_mode(every, "default")
    steady_s = min(found.compiled.samples_s)
    assert found.compiled.first_call_s > 10 * steady_s
    assert found.warm_first_call_s is not None
    assert steady_s < found.warm_first_call_s < found.compiled.first_call_s
    assert 0 < found.overhead_s < 1e-3


SPLIT = """
import json, torch
from harness.recipes import cuda_graphs

def split(x):
    return (x.sin().cpu() + 1).to("cuda").cos()

with torch.no_grad(), cuda_graphs.skips() as reasons:
    call = torch.compile(split, mode="reduce-overhead", dynamic=False)
    for _ in range(4):
        call(torch.ones(1000, device="cuda"))
print(json.dumps(reasons))
"""


def test_a_model_split_around_the_host_says_so_though_it_skips_nothing(
    gpu_environment: dict[str, str], tmp_path: Path
) -> None:
    """From an empty cache: what is found in one gives no reasons."""
    environment = gpu_environment | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SPLIT],
        cwd=ROOT, env=os.environ | environment, capture_output=True, check=True, timeout=600,
    )  # fmt: skip
    reasons = json.loads(done.stdout)
    assert any(reason.startswith(("split because", "cudagraph partition")) for reason in reasons)


@pytest.mark.slow
def test_max_autotune_runs_and_says_what_this_gpu_is_too_small_for(
    gpu_environment: dict[str, str],
) -> None:
    outcome = run(plan(recipes=("max-autotune",), size="tiny"), gpu_environment)
    found = outcome.only
    cores = outcome.started.environment.device.multiprocessors
    assert cores is not None
    assert bool(evidence(found).gates) is (cores < 68)  # torch/_inductor/utils.py, is_big_gpu
    kernels = evidence(found).kernels
    assert kernels is not None
    assert 0 < kernels < 60, "that are launched, and not all that were tried"


@pytest.mark.parametrize(
    ("precision", "matmul", "conv"), [("ieee", "ieee", "ieee"), ("tf32", "tf32", "tf32")]
)
def test_float32_arithmetic_is_set_and_read_back(
    gpu_environment: dict[str, str], precision: Precision, matmul: str, conv: str
) -> None:
    chosen = plan(precisions=(precision,), size="tiny", recipes=("aot_eager",))
    (found,) = results(run(chosen, gpu_environment))
    if isinstance(found, Failure):  # TF32 exists from compute capability 8.0 on
        assert (precision, found.reason) == ("tf32", "unsupported")
        return
    assert found.flags["matmul fp32_precision"] == matmul
    assert found.flags["conv fp32_precision"] == conv


def test_half_precisions_are_measured_or_refused_where_they_are_emulated(
    gpu_environment: dict[str, str],
) -> None:
    chosen = plan(precisions=("float16", "bfloat16"), size="tiny", recipes=("aot_eager",))
    for found in results(run(chosen, gpu_environment)):
        if isinstance(found, Failure):
            assert (found.case_id or "").endswith("bfloat16/b1")
            assert found.reason == "unsupported"
        else:
            assert found.facts.dtype == found.case.precision


def results(outcome: Outcome) -> list[Measurement | Failure]:
    found = [*outcome.measurements.values(), *outcome.failures.values()]
    assert found
    return found


def test_times_are_those_of_other_instruments(
    gpu_environment: dict[str, str], tmp_path: Path
) -> None:
    size, rounds = ("full", "300") if is_real() else ("tiny", "5")
    file = tmp_path / "ratios.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.overhead", "--size", size, "--rounds", rounds,
         "--json", str(file)],
        cwd=ROOT, env=os.environ | gpu_environment, capture_output=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    found = Ledger(file).results()
    device, kernels = found["device time / event loop"], found["device-busy / profiler's kernels"]
    assert all("error" not in ratio for ratio in found.values()), found
    if is_real():  # a fake GPU has no overhead
        assert device["value"] == pytest.approx(1, abs=0.01)
        assert kernels["value"] == pytest.approx(1, abs=0.03)

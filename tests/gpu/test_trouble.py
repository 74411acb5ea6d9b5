"""Trouble that only a fake GPU can be put into: its record, its sentence and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.contract.plan import Plan
from harness.contract.records import Failure
from tests.gpu.conftest import Factory
from tests.gpu.harness_runs import QUICK, Outcome, brief, run
from tests.integration.running import ROOT

INDUCTOR = {"recipes": ("default",), "models": ("resnet-50",)}


def after(fake_machine: Factory, plan: Plan, kind: str = "a100", **staged: str | int) -> Outcome:
    return run(plan, fake_machine(kind, **staged).environment())


def failed(outcome: Outcome) -> Failure:
    assert outcome.code == 1
    return outcome.only_failure


def test_a_model_that_does_not_fit_runs_out_of_memory(fake_machine: Factory) -> None:
    found = failed(after(fake_machine, brief(batch_sizes=(4096,)), memory_mb=330))
    assert (found.stage, found.reason) == ("build", "oom")
    assert "out of memory" in found.message


def test_a_convolution_without_room_for_its_workspace_runs_out_of_memory(
    fake_machine: Factory,
) -> None:
    """cuDNN then finds no engine, and says nothing of memory (pytorch#108645)."""
    found = failed(after(fake_machine, brief(), memory_mb=400, workspace_mb=200))
    assert "unable to find an engine" in found.message
    assert "no memory was left for the workspace of a convolution" in found.message
    assert (found.stage, found.reason) == ("verify", "oom")


@pytest.mark.parametrize(
    ("place", "status", "memory_mb"),
    [("cublas", "ALLOC_FAILED", 4000), ("cublas_init", "NOT_INITIALIZED", 306)],
)
def test_a_library_without_memory_for_its_handle_runs_out_of_it(
    fake_machine: Factory, place: str, status: str, memory_mb: int
) -> None:
    staged = {"oom_at": place, "memory_mb": memory_mb, "workspace_mb": 1}
    found = failed(after(fake_machine, brief(), **staged))
    assert f"CUBLAS_STATUS_{status}" in found.message
    assert found.reason == "oom"


def test_a_library_that_is_broken_beside_plenty_of_memory_did_not_run_out_of_it(
    fake_machine: Factory,
) -> None:
    found = failed(after(fake_machine, brief(), oom_at="cublas_init"))
    assert "CUBLAS_STATUS_NOT_INITIALIZED" in found.message
    assert found.reason == "error"


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("module", "default"),
        ("launch_in_capture", "reduce-overhead"),
        ("instantiate", "reduce-overhead"),
    ],
)
def test_memory_that_ends_while_compiling_or_recording_a_graph_is_out_of_memory(
    fake_machine: Factory, place: str, mode: str
) -> None:
    found = failed(after(fake_machine, brief(**(INDUCTOR | {"recipes": (mode,)})), oom_at=place))
    assert found.stage in ("compile", "warmup")
    assert found.reason == "oom", found.message


def test_memory_that_is_full_when_the_run_begins_is_a_result_of_each_case(
    fake_machine: Factory,
) -> None:
    """A GPU that says so answers: it is neither lost nor useless."""
    outcome = after(fake_machine, brief(batch_sizes=(1, 2)), memory_mb=300)
    assert {failure.reason for failure in outcome.failures.values()} == {"oom"}
    assert (len(outcome.failures), outcome.code, outcome.is_finished) == (2, 1, True)


# One block of ten calls, 25 launches each, is taken under these bits.
@pytest.mark.parametrize("bits", ["0x40", "0x80"])
def test_blocks_that_heat_or_protection_slowed_down_are_taken_again(
    fake_machine: Factory, bits: str
) -> None:
    machine = fake_machine(slowdown_percent=400, kernel_ns=400_000)
    plan = brief(protocol=QUICK.model_copy(update={"iterations": 60, "max_blocks": 6}))
    machine.set_throttle(f"{bits}@1000-1300")
    found = run(plan, machine.environment()).only
    assert sum(block.retaken for block in found.blocks) > 0
    kept = [block.telemetry for block in found.blocks]
    assert all(each is not None and not each.throttle for each in kept)


def test_blocks_under_a_power_cap_are_kept_and_say_so(fake_machine: Factory) -> None:
    """A T4 sits at its cap whenever it works."""
    found = after(fake_machine, brief(), "t4", throttle="0x4").only
    assert sum(block.retaken for block in found.blocks) == 0
    for block in found.blocks:
        assert block.telemetry is not None
        assert block.telemetry.throttle == ("power cap",)
        assert block.telemetry.power_w == 70.0


def test_a_gpu_that_stays_hot_is_measured_and_each_block_says_how_often_it_was_tried(
    fake_machine: Factory,
) -> None:
    found = after(fake_machine, brief(), throttle="0x40").only
    for block in found.blocks:
        assert block.retaken == QUICK.retakes
        assert block.telemetry is not None
        assert block.telemetry.throttle == ("hardware thermal slowdown",)


LOST = [
    ("fork", {"lost_error": "719", "lost_init": "999", "lost_nvml": "999"}),
    ("spawn", {"lost_error": "999", "lost_init": "100", "lost_nvml": "15"}),
]


@pytest.mark.parametrize(("wish", "how"), LOST)
def test_a_gpu_that_falls_off_the_bus_is_one_cause_and_ends_the_run(
    fake_machine: Factory, how: dict[str, str], wish: str
) -> None:
    """The cases that are left are not tried: they would all fail, or measure the CPU."""
    plan = brief(batch_sizes=(1, 2, 4), protocol=QUICK.model_copy(update={"case_processes": wish}))
    machine = fake_machine(lost_after=700, **how)
    outcome = run(plan, machine.environment())
    assert outcome.code == 1
    assert not outcome.is_finished
    (cause,) = outcome.failures.values()
    assert (cause.case_id, cause.reason) == (None, "host_unavailable")
    assert "the GPU stopped answering while vit-base/" in cause.message
    assert machine.uuids[0] in cause.message
    assert "resume the run" in cause.message
    assert not outcome.measurements


def test_a_gpu_that_hangs_is_one_cause_too_once_the_time_of_its_case_is_over(
    fake_machine: Factory,
) -> None:
    protocol = QUICK.model_copy(update={"case_limit_s": 20.0})
    plan = brief(batch_sizes=(1, 2), protocol=protocol)
    machine = fake_machine(hang_after=700)
    outcome = run(plan, machine.environment(), answer_limit_s=5)
    (cause,) = outcome.failures.values()
    assert (cause.case_id, cause.reason) == (None, "host_unavailable")
    assert "killed after 20 s" in cause.traceback


@pytest.mark.parametrize("trouble", ["missing", "refused"])
def test_without_nvml_a_case_is_measured_without_telemetry_and_says_why(
    fake_machine: Factory, trouble: str
) -> None:
    protocol = QUICK.model_copy(update={"energy_s": 0.2})
    found = after(fake_machine, brief(protocol=protocol), nvml=trouble).only
    assert found.telemetry_note.startswith("no NVML: ")
    assert all(block.telemetry is None for block in found.blocks)
    assert found.energy is None
    assert found.eager_process_memory_bytes is None
    assert found.eager_busy_s


@pytest.mark.parametrize("trouble", ["missing", "refused", "blind"])
def test_without_cupti_device_busy_time_comes_from_a_queue_and_says_what_it_holds(
    fake_machine: Factory, trouble: str
) -> None:
    found = after(fake_machine, brief(), cupti=trouble).only
    assert found.eager_busy_s
    assert found.compiled_busy_s
    assert [note.partition(":")[0] for note in found.notes] == [
        f"device-busy time of {variant} holds the gaps between kernels as well"
        for variant in ("eager", "compiled")
    ]


def test_a_queue_too_short_for_one_call_leaves_device_busy_time_unknown(
    fake_machine: Factory,
) -> None:
    found = after(fake_machine, brief(), cupti="blind", queue=8).only
    assert found.eager_busy_s is None
    assert "has more launches than the queue holds" in found.notes[0]


def test_another_process_on_the_gpu_is_named_beside_the_case(fake_machine: Factory) -> None:
    machine = fake_machine()
    machine.add_process(2_000_001, 3 * 2**30)
    found = run(brief(), machine.environment()).only
    assert found.notes == ("not alone on the GPU while it was timed: process 2000001 with 3.0 GiB",)


@pytest.mark.parametrize(
    ("kind", "staged", "reason", "said"),
    [
        ("a100", {"driver": 12040}, "load_error", "driver on your system is too old (found"),
        ("v100", {}, "unsupported", "compute capability 7.0"),
        ("a100", {"driver": 0}, "load_error", "sees no GPU"),
    ],
)
def test_a_gpu_that_this_torch_cannot_use_is_refused_before_anything_is_measured(
    fake_machine: Factory, kind: str, staged: dict[str, int], reason: str, said: str
) -> None:
    found = failed(after(fake_machine, brief(batch_sizes=(1, 2)), kind, **staged))
    assert (found.case_id, found.reason) == (None, reason)
    assert said in found.message
    if kind == "v100":
        assert "has no code for the Fake V100-SXM2-16GB" in found.message
        assert "install a build for CUDA 12.6 (cu126)" in found.message


def test_a_gpu_that_is_lost_when_the_run_begins_does_not_let_the_cpu_take_its_place(
    fake_machine: Factory,
) -> None:
    machine = fake_machine(lost_init="999")
    machine.lose()
    found = failed(run(brief(), machine.environment()))
    assert found.case_id is None
    assert found.reason == "load_error"


FOREIGN = """
import sys
from pathlib import Path
from harness.measure import case
from harness.devices import presence
from harness.models import picture
from tests.gpu.harness_runs import brief

file = Path(sys.argv[1])
picture.generated().image.save(file)
plan = brief()
try:
    case.build(plan, plan.attempts()[0], str(file), sys.argv[2])
except presence.GpuError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("visible", "said"), [("", "sees no GPU any more"), ("0", "the first GPU is GPU-fa4e")]
)
def test_a_case_takes_no_other_device_than_the_run_began_on(
    fake_machine: Factory, tmp_path: Path, visible: str, said: str
) -> None:
    environment = fake_machine().environment() | {"CUDA_VISIBLE_DEVICES": visible}
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN, str(tmp_path / "picture.png"), "GPU-of-the-run"],
        cwd=ROOT, env=os.environ | environment, capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    assert said in done.stdout.decode()

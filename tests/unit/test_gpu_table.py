from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import gpu_runs, gpu_table
from harness.plan import Plan
from harness.records import Measurement, Record, write_line
from harness.vocabulary import Reason
from orchestrator.records.rundir import RunFolder
from tests import factories

CASE = factories.case()


def on_a_gpu(device_s: float, enqueue_s: float, busy_s: float) -> Measurement:
    return factories.on_gpu(
        factories.measurement(CASE, eager_s=0.010, compiled_s=0.005),
        device_s=(device_s, device_s),
        enqueue_s=(enqueue_s, enqueue_s),
        busy_s=(busy_s, busy_s),
    )


def written(folder: Path, plan: Plan, *records: Record) -> None:
    run = RunFolder(folder)
    gpu_runs._create(run, plan, "python -m benchmarks.gpu_check")
    with run.attempt("local") as attempt:
        for seq, record in enumerate((factories.started(plan.cases()), *records)):
            attempt.append(write_line(record.model_copy(update={"seq": seq})).encode())


def test_what_is_launch_bound_is_told_as_the_page_tells_it() -> None:
    assert gpu_table.is_launch_bound(on_a_gpu(0.009, 0.002, 0.005)), "the device waits"
    assert not gpu_table.is_launch_bound(on_a_gpu(0.009, 0.002, 0.0089))
    slow_at_times = on_a_gpu(0.009, 0.002, 0.0089)
    stalled = slow_at_times.blocks[0].model_copy(update={"device_s": (5.0,) * 10})
    blocks = (stalled, *slow_at_times.blocks[1:])
    assert not gpu_table.is_launch_bound(slow_at_times.model_copy(update={"blocks": blocks}))


def test_on_a_cpu_nothing_is_known_to_be_launch_bound() -> None:
    assert not gpu_table.is_launch_bound(factories.measurement(CASE))


def test_the_table_shows_both_runs_what_failed_and_what_does_not_hold(tmp_path: Path) -> None:
    plan = factories.plan([CASE])
    slow_enqueue = on_a_gpu(0.002, 0.011, 0.002)
    written(tmp_path / "first", plan, slow_enqueue)
    written(tmp_path / "second", plan, factories.measurement(CASE, eager_s=0.01, compiled_s=0.004))
    written(tmp_path / "modes", plan, factories.failure(CASE, "compile_error", "no triton"))
    (tmp_path / "instruments.json").write_text(
        json.dumps(
            {
                "wall / bare loop": {"value": 1.2, "spread": 0.001, "rounds": 30},
                "device time / event loop": {"value": 1.0, "spread": 0.5, "rounds": 30},
                "device-busy / profiler's kernels": {"error": "the profiler saw no kernel"},
            }
        )
    )
    text = gpu_table.render(tmp_path)
    assert "vit-base/default/float32/b1" in text
    assert "2.000" in text
    assert "2.500" in text
    assert "+25.00%" in text
    assert "modes: vit-base/default/float32/b1: compile_error: no triton" in text
    found = {check.name: check.holds for check in gpu_table.checks(tmp_path)}
    assert found["wall / bare loop within 1%"] is False
    assert found["device time / event loop within 1%"] is None, "too noisy to tell"
    assert found["device-busy / profiler's kernels within 3%"] is False
    assert "the profiler saw no kernel" in text
    assert found["host enqueue is shorter than wall"] is False
    assert found["modes: every case was measured, is unsupported or too large"] is False
    assert not gpu_table.holds(tmp_path)


@pytest.mark.parametrize(
    ("value", "spread", "expected"),
    [
        (1.004, 0.005, True),  # all that is possible lies within 1 %
        (0.996, 0.005, True),
        (1.012, 0.001, False),  # all of it lies outside
        (0.97, 0.005, False),
        (1.004, 0.007, None),  # 0.7 % more or less could be either
        (1.012, 0.004, None),
        (1.0, 0.5, None),
    ],
)
def test_a_ratio_counts_as_one_only_where_its_whole_interval_lies_within_the_tolerance(
    value: float, spread: float, expected: bool | None
) -> None:
    found = {"value": value, "spread": spread, "rounds": 30}
    check = gpu_table.equivalence("claim", found, tolerance=0.01)
    assert check.holds is expected
    assert ("not shown" in check.found) is (expected is None)


def test_what_is_not_shown_says_how_many_rounds_would_show_it() -> None:
    found = {"value": 1.005, "spread": 0.010, "rounds": 30}
    # Half of the spread takes four times the rounds.
    assert "about 90 more rounds" in gpu_table.equivalence("claim", found, 0.01).found


def test_cuda_graphs_must_have_been_recorded_and_launched(tmp_path: Path) -> None:
    case = factories.case(mode="reduce-overhead")
    name = "reduce-overhead launches recorded CUDA graphs"
    for number, (graphs, launches, expected) in enumerate(
        [(2, 2.0, True), (2, None, True), (2, 0.0, False), (0, None, False), (None, None, False)]
    ):
        measured = factories.measurement(case)
        assert measured.compile_evidence is not None
        changes = {"cuda_graphs": graphs, "cuda_graph_launches": launches}
        evidence = measured.compile_evidence.model_copy(update=changes)
        folder = tmp_path / str(number)
        measured = measured.model_copy(update={"compile_evidence": evidence})
        written(folder / "graphs-1", factories.plan([case]), measured)
        found = {check.name: check.holds for check in gpu_table.checks(folder)}
        assert found[name] is expected


@pytest.mark.parametrize(
    ("reason", "expected"), [("unsupported", True), ("oom", True), ("crash", False)]
)
def test_a_run_whose_cases_fail_for_other_reasons_than_the_device_does_not_hold(
    tmp_path: Path, reason: Reason, expected: bool
) -> None:
    written(tmp_path / "first", factories.plan([CASE]), factories.failure(CASE, reason))
    found = {check.name: check.holds for check in gpu_table.checks(tmp_path)}
    assert found["first: every case was measured, is unsupported or too large"] is expected


@pytest.mark.parametrize(
    ("note", "expected"),
    [("no NVML: nvidia-ml-py is not installed", None), ("no telemetry: no sample", False)],
)
def test_a_machine_without_nvml_has_no_telemetry_to_demand(
    tmp_path: Path, note: str, expected: bool | None
) -> None:
    seen = on_a_gpu(0.009, 0.002, 0.005)
    blocks = tuple(block.model_copy(update={"telemetry": None}) for block in seen.blocks)
    unseen = seen.model_copy(update={"blocks": blocks, "telemetry_note": note})
    written(tmp_path / "first", factories.plan([CASE]), unseen)
    (check,) = [c for c in gpu_table.checks(tmp_path) if c.name == "every block has telemetry"]
    assert check.holds is expected
    assert (note in check.found) is (expected is None)


def test_instruments_that_fail_are_written_down_and_the_rest_goes_on(tmp_path: Path) -> None:
    settings = gpu_runs.parse(["--output", str(tmp_path)])
    broken = dataclasses.replace(settings, size="no such size")  # type: ignore[arg-type]
    assert gpu_runs._instruments(broken)
    assert gpu_runs._instruments(broken), "and they are not tried again"
    found = {check.name: check for check in gpu_table.checks(tmp_path)}
    wall = found["wall / bare loop within 1%"]
    assert wall.holds is False
    assert "ended with exit code 2" in wall.found
    assert "invalid choice" in (tmp_path / "instruments.log").read_text()


def test_instruments_that_get_nothing_done_in_a_whole_call_have_failed(tmp_path: Path) -> None:
    settings = gpu_runs.parse(["--output", str(tmp_path), "--minutes", "0"])
    assert gpu_runs._instruments(settings)
    (check, *_) = gpu_table.checks(tmp_path)
    assert "took longer than a whole call" in check.found


def test_the_command_of_a_run_has_all_its_options(tmp_path: Path) -> None:
    settings = gpu_runs.parse(["--size", "tiny", "--models", "vit-base,resnet-50"])
    expected = "python -m benchmarks.gpu_check --size tiny --models vit-base,resnet-50"
    assert settings.command == expected


def test_tf32_is_combined_with_autotuning(tmp_path: Path) -> None:
    settings = gpu_runs.parse(["--output", str(tmp_path), "--models", "vit-base"])
    plans = dict(gpu_runs._steps(settings))
    compared = [c.case_id for c in plans["tf32-autotune"].cases() if c.mode != "eager"]
    assert compared == ["vit-base/max-autotune/tf32/b1"]
    assert set(plans) <= set(gpu_table.RUNS)


def test_only_what_a_folder_lacks_is_measured_again(tmp_path: Path) -> None:
    plan = factories.plan([CASE])
    written(tmp_path / "first", plan, factories.measurement(CASE))
    settings = gpu_runs.parse(["--output", str(tmp_path), "--minutes", "0"])
    assert gpu_runs._finish(RunFolder(tmp_path / "first"), plan, settings)
    more = factories.plan([CASE, factories.case(batch_size=4)])
    assert not gpu_runs._finish(RunFolder(tmp_path / "first"), more, settings)


def test_reduce_overhead_is_planned_for_launch_bound_cases_alone(tmp_path: Path) -> None:
    settings = gpu_runs.parse(["--output", str(tmp_path), "--models", "vit-base,resnet-50"])
    every = gpu_runs._plan(settings, modes=("reduce-overhead",))
    rest = gpu_runs._only([CASE], every)
    compared = [case.case_id for case in rest.cases() if case.mode != "eager"]
    assert compared == ["vit-base/reduce-overhead/float32/b1"]

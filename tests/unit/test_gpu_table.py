from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_checks, gpu_records, gpu_runs, gpu_table
from benchmarks.ledger import Ledger
from harness.contract.plan import Plan
from harness.contract.records import Measurement, Record, write_line
from harness.contract.vocabulary import Reason
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
    with run.attempt("local", plan) as attempt:
        for seq, record in enumerate(
            (factories.started([attempt.case for attempt in plan.attempts()]), *records)
        ):
            attempt.append(write_line(record.model_copy(update={"seq": seq})).encode())


def found_beside(output: Path, ratios: Mapping[str, Mapping[str, Any]]) -> None:
    for name, ratio in ratios.items():
        Ledger(output / "overhead.jsonl").keep(name, **ratio)


def check(output: Path, claim: str) -> gpu_checks.Check:
    (found,) = [each for each in gpu_checks.checks(output) if each.name == claim]
    return found


def test_what_is_launch_bound_is_told_as_the_page_tells_it() -> None:
    assert gpu_records.is_launch_bound(on_a_gpu(0.009, 0.002, 0.005)), "the device waits"
    assert not gpu_records.is_launch_bound(on_a_gpu(0.009, 0.002, 0.0089))
    slow_at_times = on_a_gpu(0.009, 0.002, 0.0089)
    stalled = slow_at_times.blocks[0].model_copy(update={"device_s": (5.0,) * 10})
    blocks = (stalled, *slow_at_times.blocks[1:])
    assert not gpu_records.is_launch_bound(slow_at_times.model_copy(update={"blocks": blocks}))


def test_on_a_cpu_nothing_is_known_to_be_launch_bound() -> None:
    assert not gpu_records.is_launch_bound(factories.measurement(CASE))


def test_the_table_shows_both_runs_what_failed_and_what_does_not_hold(tmp_path: Path) -> None:
    plan = factories.plan([CASE])
    slow_enqueue = on_a_gpu(0.002, 0.011, 0.002)
    written(tmp_path / "first", plan, slow_enqueue)
    written(tmp_path / "second", plan, factories.measurement(CASE, eager_s=0.01, compiled_s=0.004))
    written(tmp_path / "modes", plan, factories.failure(CASE, "compile_error", "no triton"))
    found_beside(
        tmp_path,
        {
            "wall / bare loop": {"value": 1.2, "spread": 0.001, "rounds": 30},
            "device time / event loop": {"value": 1.0, "spread": 0.5, "rounds": 30},
            "device-busy / profiler's kernels": {"error": "the profiler saw no kernel"},
        },
    )
    text = gpu_table.render(tmp_path)
    assert "vit-base/default/float32/b1" in text
    assert "2.000" in text
    assert "2.500" in text
    assert "+25.00%" in text
    assert "modes: vit-base/default/float32/b1: compile_error: no triton" in text
    found = {check.name: check.holds for check in gpu_checks.checks(tmp_path)}
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
    check = gpu_checks.equivalence("claim", found, tolerance=0.01)
    assert check.holds is expected
    assert ("not shown" in check.found) is (expected is None)


def test_what_is_not_shown_says_how_many_rounds_would_show_it() -> None:
    found = {"value": 1.005, "spread": 0.010, "rounds": 30}
    # Half of the spread takes four times the rounds.
    assert "about 90 more rounds" in gpu_checks.equivalence("claim", found, 0.01).found


def test_cuda_graphs_must_have_been_recorded_and_launched(tmp_path: Path) -> None:
    case = factories.case(recipe="reduce-overhead")
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
        found = {check.name: check.holds for check in gpu_checks.checks(folder)}
        assert found[name] is expected


@pytest.mark.parametrize(
    ("reason", "expected"), [("unsupported", True), ("oom", True), ("crash", False)]
)
def test_a_run_whose_cases_fail_for_other_reasons_than_the_device_does_not_hold(
    tmp_path: Path, reason: Reason, expected: bool
) -> None:
    written(tmp_path / "first", factories.plan([CASE]), factories.failure(CASE, reason))
    found = {check.name: check.holds for check in gpu_checks.checks(tmp_path)}
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
    (check,) = [c for c in gpu_checks.checks(tmp_path) if c.name == "every block has telemetry"]
    assert check.holds is expected
    assert (note in check.found) is (expected is None)


def test_a_case_that_is_still_to_come_is_no_failure(tmp_path: Path) -> None:
    plan = factories.plan([CASE, factories.case(batch_size=4)])
    written(tmp_path / "first", plan, factories.measurement(CASE))
    claim = "first: every case was measured, is unsupported or too large"
    assert check(tmp_path, claim) == gpu_checks.Check(claim, "1 of 2 cases", None)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ({"a": "passed", "b": "skipped"}, True),
        ({"a": "passed", "b": "failed"}, False),
        ({"a": "skipped"}, None),
        ({}, None),
    ],
)
def test_essential_tests_hold_when_some_pass_and_none_fails(
    tmp_path: Path, outcomes: dict[str, str], expected: bool | None
) -> None:
    for name, outcome in outcomes.items():
        Ledger(tmp_path / "essential.jsonl").keep(name, outcome=outcome, said=f"{name} is why")
    assert check(tmp_path, "essential tests pass").holds is expected
    failed = [name for name, outcome in outcomes.items() if outcome == "failed"]
    lines = gpu_table.render(tmp_path).splitlines()
    assert [f"  essential: {name}: {name} is why" for name in failed] == [
        line for line in lines if line.startswith("  essential: ")
    ]


def test_tests_that_cannot_run_here_say_so_and_ones_that_break_do_not_hold(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "one" / "essential.jsonl")
    ledger.path.parent.mkdir()
    ledger.close("not run: python has no pytest", missing="pytest")
    found = check(tmp_path / "one", "essential tests pass")
    assert (found.holds, found.found) == (None, "not run: python has no pytest")
    ledger = Ledger(tmp_path / "other" / "essential.jsonl")
    ledger.path.parent.mkdir()
    ledger.close("its process ended with exit code 4")
    assert check(tmp_path / "other", "essential tests pass").holds is False


FORKED = {"policy": "fork", "driver": "loaded", "clock": "cuda", "start_up_s": 0.1}


@pytest.mark.parametrize(
    ("forked", "expected", "told"),
    [
        (FORKED, True, "driver loaded; 1 fork: 0.10 s of start-up; 1 spawn: 5.00 s of start-up"),
        (FORKED | {"clock": "cpu"}, None, "1 fork: 0.10 s"),
        ({"policy": "fork", "error": "no CUDA after a fork"}, False, "no CUDA after a fork"),
    ],
    ids=["on the GPU", "on a CPU", "failed"],
)
def test_whether_a_forked_process_uses_the_gpu_is_told_with_what_it_saves(
    tmp_path: Path, forked: dict[str, Any], expected: bool | None, told: str
) -> None:
    ledger = Ledger(tmp_path / "starts.jsonl")
    ledger.keep("fork 1", **forked)
    ledger.keep("spawn 1", policy="spawn", clock="cuda", start_up_s=5.0)
    found = check(tmp_path, "a forked process uses the GPU")
    assert found.holds is expected
    assert told in found.found


@pytest.mark.parametrize(
    ("device", "expected"), [("Fake A100-SXM4-40GB", True), ("NVIDIA H200", False)]
)
def test_what_ran_on_a_fake_gpu_is_called_a_rehearsal(
    tmp_path: Path, device: str, expected: bool
) -> None:
    Ledger(tmp_path / "starts.jsonl").keep("fork 1", **FORKED, device=device)
    text = gpu_table.render(tmp_path)
    assert f"checked: {device}" in text
    assert ("a rehearsal on a fake GPU: no number here is a result" in text) is expected
    assert gpu_table.REHEARSAL.startswith("a rehearsal on a fake GPU")


def test_the_wall_time_of_a_step_is_that_of_all_its_calls(tmp_path: Path) -> None:
    walls = Ledger(tmp_path / "steps.jsonl")
    walls.keep("first", wall_s=10.0, done=False)
    walls.keep("first", wall_s=2.5, done=True)
    walls.keep("overhead", wall_s=1.0, done=False)
    lines = gpu_table.render(tmp_path).splitlines()
    assert "  first              12.5 s in 2 turns  done" in lines
    assert "  overhead            1.0 s in 1 turns  not finished" in lines


def test_one_call_in_which_the_host_was_held_up_says_nothing_of_device_time(tmp_path: Path) -> None:
    claim, seen = "device time is shorter than wall", on_a_gpu(0.004, 0.002, 0.003)
    held_up = seen.blocks[0].model_copy(update={"device_s": (0.011,) * 10})
    once = seen.model_copy(update={"blocks": (held_up, *seen.blocks[1:])})
    written(tmp_path / "once" / "first", factories.plan([CASE]), once)
    written(tmp_path / "always" / "first", factories.plan([CASE]), on_a_gpu(0.011, 0.002, 0.003))
    assert check(tmp_path / "once", claim).holds is True
    assert check(tmp_path / "always", claim).holds is False

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu_runs, gpu_table
from harness.plan import Plan
from harness.records import Block, Measurement, Record, write_line
from orchestrator.rundir import RunFolder
from tests import factories

CASE = factories.case()


def on_a_gpu(device_s: float, enqueue_s: float, busy_s: float) -> Measurement:
    plain = factories.measurement(CASE, eager_s=0.010, compiled_s=0.005)
    blocks = tuple(
        Block.model_validate(
            block.model_dump() | {"device_s": (device_s,) * 10, "enqueue_s": (enqueue_s,) * 10}
        )
        for block in plain.blocks
    )
    return plain.model_copy(update={"blocks": blocks, "eager_busy_s": (busy_s,) * 5})


def written(folder: Path, plan: Plan, *records: Record) -> None:
    run = RunFolder(folder)
    gpu_runs._create(run, plan)
    with run.attempt("local") as attempt:
        for seq, record in enumerate((factories.started([CASE]), *records)):
            attempt.append(write_line(record.model_copy(update={"seq": seq})).encode())


@pytest.mark.parametrize(
    ("device_s", "enqueue_s", "busy_s", "expected"),
    [
        (0.009, 0.002, 0.0089, False),  # the device is busy all the time
        (0.009, 0.002, 0.005, True),  # the device waits for launches
        (0.009, 0.0088, 0.009, True),  # the host is busy all the time
    ],
)
def test_a_case_is_launch_bound_when_device_or_host_say_so(
    device_s: float, enqueue_s: float, busy_s: float, expected: bool
) -> None:
    assert gpu_table.is_launch_bound(on_a_gpu(device_s, enqueue_s, busy_s)) is expected


def test_on_a_cpu_nothing_is_known_to_be_launch_bound() -> None:
    assert not gpu_table.is_launch_bound(factories.measurement(CASE))


def test_the_table_shows_both_runs_what_failed_and_what_does_not_hold(tmp_path: Path) -> None:
    plan = factories.plan([CASE])
    slow_enqueue = on_a_gpu(0.002, 0.011, 0.002)
    written(tmp_path / "first", plan, slow_enqueue)
    written(tmp_path / "second", plan, factories.measurement(CASE, eager_s=0.01, compiled_s=0.004))
    written(tmp_path / "modes", plan, factories.failure(CASE, "compile_error", "no triton"))
    (tmp_path / "instruments.json").write_text(
        json.dumps({"wall / bare loop": [1.2, 0.001], "device time / event loop": [1.2, 0.5]})
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
    assert found["host enqueue is shorter than wall"] is False
    assert found["modes: every case was measured, or is unsupported"] is False
    assert not gpu_table.holds(tmp_path)


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

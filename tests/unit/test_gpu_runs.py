from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks import gpu_records, gpu_runs, gpu_settings, processes
from benchmarks.gpu_runs import Run
from benchmarks.gpu_settings import Settings
from benchmarks.gpu_steps import StepError
from harness.contract.plan import Case, Plan, read_plan
from harness.contract.records import CaseStarted, Failure, Record, Started, write_line
from tests import factories

LIGHT = factories.case(model="resnet-50")
HEAVY = factories.case(model="vit-base")


def settings(output: Path, *given: str) -> Settings:
    return gpu_settings.parse(["--output", str(output), *given])


def plans(of: Settings) -> dict[str, Plan]:
    return {name: plan for name, _, plan in gpu_runs._plans(of)}


def compared(plan: Plan) -> list[str]:
    return [each.case_id for each in plan.attempts() if not each.case.is_a_a]


def test_no_plan_depends_on_how_long_a_call_lasts(tmp_path: Path) -> None:
    short, long = (
        plans(settings(tmp_path / minutes, "--minutes", minutes)) for minutes in ("0.5", "90")
    )
    assert {name: plan.plan_id for name, plan in short.items()} == {
        name: plan.plan_id for name, plan in long.items()
    }


def test_first_come_the_smallest_and_the_largest_batch_and_the_lightest_models(
    tmp_path: Path,
) -> None:
    made = plans(settings(tmp_path))
    assert compared(made["first"])[:3] == [
        "resnet-50/default/float32/b1",
        "resnet-50/default/float32/b16",
        "segformer-b0/default/float32/b1",
    ]
    assert len(compared(made["first"])) == 24
    assert {each.case.batch_size for each in made["between"].attempts()} == {4}
    assert set(made) <= set(gpu_settings.RUNS)


def test_tf32_is_combined_with_autotuning(tmp_path: Path) -> None:
    made = plans(settings(tmp_path, "--models", "vit-base"))
    assert compared(made["tf32-autotune"]) == ["vit-base/max-autotune/tf32/b1"]


def test_reduce_overhead_is_planned_for_launch_bound_cases_alone(tmp_path: Path) -> None:
    given = settings(tmp_path, "--models", "vit-base,resnet-50")
    assert compared(plans(given)["graphs-1"]) == [], "nothing is known yet"
    bound, busy = (
        factories.on_gpu(
            factories.measurement(case, eager_s=0.010, compiled_s=0.005),
            device_s=(0.009, 0.009),
            enqueue_s=(0.002, 0.002),
            busy_s=(busy_s, busy_s),
        )
        for case, busy_s in ((LIGHT, 0.005), (HEAVY, 0.0089))
    )
    (run,) = [each for each in gpu_runs.runs(given) if each.name == "first"]
    gpu_runs._create(run.folder, run.plan, "python -m benchmarks.gpu_check")
    with run.folder.attempt("local", run.plan) as attempt:
        write(attempt.file.fileno(), [begun(run.plan), bound, busy])
    assert compared(plans(given)["graphs-1"]) == ["resnet-50/reduce-overhead/float32/b1"]


def begun(plan: Plan) -> Started:
    case_ids = tuple(case.case_id for case in plan.attempts())
    return factories.started(plan_id=plan.plan_id, case_ids=case_ids)


def write(descriptor: int, records: list[Record]) -> None:
    for seq, record in enumerate(records):
        os.write(descriptor, write_line(record.model_copy(update={"seq": seq})).encode())


@dataclass
class Harness:
    """Stands in for the harness: `answers` says what each call of it does with its cases."""

    answers: list[Callable[[list[Case]], tuple[list[Record], int | None]]]
    asked: list[list[str]] = field(default_factory=list)

    def run_until(
        self, until_s: float, command: list[str], *, stdin: bytes, stdout: int, stderr: object
    ) -> int | None:
        assert command[1:] == ["-m", "harness", "--plan", "-"]
        plan = read_plan(stdin)
        cases = [attempt.case for attempt in plan.attempts()]
        self.asked.append([case.case_id for case in cases])
        records, code = self.answers.pop(0)(cases)
        write(stdout, [begun(plan), *records])
        return code


def opened(case: Case) -> CaseStarted:
    return CaseStarted(case_id=case.case_id, stage="build")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    plan = factories.plan([LIGHT, HEAVY])
    return Run("first", 300, plan, tmp_path, "python -m benchmarks.gpu_check")


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Harness:
    made = Harness([])
    monkeypatch.setattr(processes, "run_until", made.run_until)
    return made


def measured(cases: list[Case]) -> tuple[list[Record], int | None]:
    return [factories.measurement(case) for case in cases], 0


def test_what_a_call_left_the_next_one_measures_whatever_its_length(
    run: Run, harness: Harness
) -> None:
    harness.answers = [lambda cases: ([factories.measurement(cases[0]), opened(cases[1])], None)]
    assert not run.run(time.monotonic() + 0.2)
    assert run.left() == [f"{HEAVY.case_id} had 0 s and did not end"]
    harness.answers = [measured]
    assert run.run(time.monotonic() + 500)
    assert harness.asked == [[LIGHT.case_id, HEAVY.case_id], [HEAVY.case_id]]
    assert run.left() == []
    assert run.run(time.monotonic() + 500), "and nothing is measured again"


def test_a_case_that_had_a_whole_call_in_vain_makes_way_for_the_others(
    run: Run, harness: Harness
) -> None:
    run.tries.run_out(LIGHT.case_id, 540)
    harness.answers = [measured]
    assert not run.run(time.monotonic() + 540)
    assert harness.asked == [[HEAVY.case_id]]
    assert run.left() == [f"{LIGHT.case_id} had 540 s and did not end"]
    assert not run.run(time.monotonic() + 540), "no process is started for nothing"
    harness.answers = [measured]
    assert run.run(time.monotonic() + 700)
    assert harness.asked[1:] == [[LIGHT.case_id]]


def test_a_case_that_was_open_when_the_check_was_killed_is_measured_again(
    run: Run, harness: Harness
) -> None:
    class KilledError(BaseException):
        """After this nothing of the check runs any more."""

    def killed(cases: list[Case]) -> tuple[list[Record], int | None]:
        (name,) = (run.folder.path / "records").iterdir()
        with name.open("ab") as file:
            write(file.fileno(), [begun(run.plan), opened(cases[0])])
        raise KilledError

    harness.answers = [killed]
    with pytest.raises(KilledError):
        run.run(time.monotonic() + 60)
    assert len(run.left()) == 2, "it is missing, and has not crashed"
    harness.answers = [measured]
    assert run.run(time.monotonic() + 60)


def test_a_case_that_ends_the_harness_itself_has_failed_and_the_rest_goes_on(
    run: Run, harness: Harness
) -> None:
    harness.answers = [lambda cases: ([opened(cases[0])], -9), measured]
    assert run.run(time.monotonic() + 60)
    assert [each.reason for each in gpu_records.failures(run.folder.path)] == ["crash"]


def test_a_harness_that_can_measure_nothing_here_is_not_called_for_ever(
    run: Run, harness: Harness
) -> None:
    trouble = Failure(case_id=None, stage=None, reason="load_error", message="no driver")
    harness.answers = [lambda cases: ([trouble], 1)]
    with pytest.raises(StepError, match="no driver"):
        run.run(time.monotonic() + 60)


def test_the_plan_that_a_folder_began_with_stays_its_plan(run: Run, harness: Harness) -> None:
    harness.answers = [lambda cases: ([factories.measurement(cases[0])], None), measured]
    run.run(time.monotonic() + 0.2)
    newer = run.plan.model_copy(update={"seed": 7, "plan_id": ""})
    later = Run("first", 300, Plan.model_validate(newer.model_dump()), run.output, run.command)
    assert later.plan.plan_id != run.plan.plan_id
    assert later.run(time.monotonic() + 60)
    assert later.folder.plan().plan_id == run.plan.plan_id
    assert len(gpu_records.measurements(run.folder.path)) == 2

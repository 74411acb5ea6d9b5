"""The real harness on tiny variants of the real architectures, in real processes, on the CPU."""

from __future__ import annotations

import pytest

from harness.contract import catalogue
from harness.contract.plan import Case, Repetition
from harness.contract.records import CaseStarted, Failure, Finished, Heartbeat, Measurement, Started
from tests.integration.conftest import RunCase
from tests.integration.running import BRIEF, measured, results, tiny

NAMES = tuple(model.name for model in catalogue.CATALOGUE)


@pytest.mark.slow
@pytest.mark.parametrize("models", [NAMES[:6], NAMES[6:]], ids=["first six", "last six"])
def test_every_architecture_is_measured_from_plan_to_record(models: tuple[str, ...]) -> None:
    records = measured(tiny(models))
    found = results(records)
    assert len(found) == 6
    for case_id, result in found.items():
        assert isinstance(result, Measurement), (case_id, result)
        assert result.compile_evidence is not None
        assert result.compile_evidence.graphs >= 1
        assert result.compile_evidence.recompiles_while_timing == 0
        assert result.agreement.relative_error <= result.agreement.tolerance
        assert result.facts.flops_per_image
        for variant in ("eager", "compiled"):
            blocks = [block for block in result.blocks if block.variant == variant]
            assert sum(len(block.samples_s) for block in blocks) == BRIEF.iterations
    assert isinstance(records[-1], Finished)
    assert (records[-1].measured, records[-1].failed) == (6, 0)


@pytest.mark.slow
def test_real_inductor_code_runs_and_is_proven() -> None:
    protocol = BRIEF.model_copy(update={"heartbeat_s": 1.0, "warm_cache": True})
    records = measured(tiny(recipes=("default",), protocol=protocol))
    stages = [record.stage for record in records if isinstance(record, CaseStarted)]
    assert stages == ["build", "verify", "compile", "warmup", "measure"]
    (result,) = results(records).values()
    assert isinstance(result, Measurement), result
    assert result.compile_evidence is not None
    assert result.compile_evidence.kernels
    assert result.compile_evidence.graph_breaks == 0
    assert result.warm_first_call_s is not None
    assert result.warm_first_call_s < result.compiled.first_call_s
    assert result.notes == ()
    assert result.telemetry_note == "no NVML: this is a CPU"
    assert result.facts.flops_per_image
    assert result.agreement.top1_agrees
    assert result.flags["autocast"] == "False"
    assert result.compiled.first_call_s > 100 * result.compiled.samples_s[-1]
    started = next(record for record in records if isinstance(record, Started))
    assert started.environment.device.type == "cpu"
    assert any(isinstance(record, Heartbeat) for record in records)
    assert [record.seq for record in records] == list(range(len(records)))
    elapsed = [record.elapsed_s for record in records]
    assert elapsed == sorted(elapsed)


def test_a_repeated_case_is_measured_in_a_process_of_its_own_each_time() -> None:
    case_id = "vit-base/aot_eager/float32/b1"
    records = measured(tiny(repetitions=(Repetition(case_id=case_id, processes=2),)))
    first, second = results(records).values()
    assert isinstance(first, Measurement), first
    assert isinstance(second, Measurement), second
    assert (first.process, second.process) == (1, 2)
    assert (first.case, second.case_id) == (second.case, f"{case_id}/process=2")
    assert second.compiled.first_call_s > 10 * second.compiled.samples_s[-1], "it compiled again"
    entered = [record.case_id for record in records if isinstance(record, CaseStarted)]
    assert list(dict.fromkeys(entered)) == [first.case_id, second.case_id]


def test_an_a_a_case_holds_eager_against_itself_and_compiles_nothing(run_case: RunCase) -> None:
    a_a = Case(model="vit-base", recipe="eager", precision="float32", batch_size=1)
    alike = run_case(tiny(noise_floor=(a_a,)), a_a)
    assert isinstance(alike, Measurement), alike
    assert alike.case == a_a
    assert alike.compile_evidence is None
    assert alike.agreement.relative_error == 0
    assert len(alike.blocks) == 2 * BRIEF.iterations


def test_each_precision_is_measured_by_its_own_rules_or_refused(run_case: RunCase) -> None:
    plan = tiny(precisions=("tf32", "bfloat16"))
    tf32, bfloat16 = (run_case(plan, attempt.case) for attempt in plan.attempts())
    assert isinstance(tf32, Failure)
    assert tf32.reason == "unsupported"
    assert isinstance(bfloat16, Measurement), bfloat16
    assert bfloat16.facts.dtype == "bfloat16"
    assert bfloat16.agreement.tolerance == 0.02

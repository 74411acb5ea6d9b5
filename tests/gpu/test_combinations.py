"""Modes, precisions and batch sizes through Inductor: every pair of them in one case at least.

The whole product, resumable, beside the tests:

    python -m tests.fake_gpu a100 -- python -m tests.gpu.combinations FOLDER
"""

from __future__ import annotations

import itertools

import pytest

from harness.contract.plan import Case, Plan
from harness.contract.records import Measurement
from tests.gpu.combinations import AXES, Combination, covering, one_case
from tests.gpu.harness_runs import run

COVERING = covering(*AXES)
PARTS = [COVERING[part::4] for part in range(4)]
# Modes that tune would compile dozens of templates per operation, and as many variants of each
# kernel: a minute per case. Libraries and two templates of ten, without variants, are enough here.
FEW_TEMPLATES = {
    "TORCHINDUCTOR_AUTOTUNE_CHOICE_NAME_REGEX": r"^(mm|addmm|bmm|baddbmm|convolution)$|_\d*[37]$",
    "TORCHINDUCTOR_COORDINATE_DESCENT_RADIUS": "0",
}


def test_every_pair_of_choices_is_in_a_case() -> None:
    for first, second in itertools.combinations(range(len(AXES)), 2):
        pairs = set(itertools.product(AXES[first], AXES[second]))
        assert pairs == {(each[first], each[second]) for each in COVERING}
    assert len(COVERING) == len(AXES[0]) * len(AXES[1])


@pytest.mark.slow
@pytest.mark.parametrize("combinations", PARTS, ids=range(len(PARTS)))
def test_combinations_are_measured_with_proof_of_what_ran(
    gpu_environment: dict[str, str], combinations: list[Combination]
) -> None:
    outcome = run(_plan(combinations), gpu_environment | FEW_TEMPLATES)
    assert outcome.is_finished
    unsupported = {
        failure.case_id
        for failure in outcome.failures.values()
        if failure.reason == "unsupported" and failure.case_id
    }
    assert set(outcome.failures) == unsupported, outcome.failures
    assert all("tf32" in case_id or "bfloat16" in case_id for case_id in unsupported)
    assert len(outcome.measurements) + len(unsupported) == len(combinations)
    for found in outcome.measurements.values():
        _proves_what_ran(found)


def _plan(combinations: list[Combination]) -> Plan:
    """One plan of just these cases."""
    wanted = {one_case(each).case_id for each in combinations}
    modes, precisions, batch_sizes = (
        tuple(dict.fromkeys(values)) for values in zip(*combinations, strict=True)
    )
    from tests.gpu.combinations import plan

    whole = plan(modes, precisions, batch_sizes)
    others = {case.case_id for case in whole.all_cases()} - wanted
    return whole.model_copy(update={"skip": tuple(sorted(others))})


def _proves_what_ran(found: Measurement) -> None:
    case, evidence = found.case, found.compile_evidence
    assert evidence is not None
    assert evidence.graphs == 1
    assert evidence.kernels
    assert evidence.kernels < 60, "kernels that are launched, not templates that were tried"
    records_graphs = case.mode in ("reduce-overhead", "max-autotune")
    assert evidence.cuda_graphs == (1 if records_graphs else None)
    assert evidence.cuda_graph_launches == (1 if records_graphs else None)
    assert found.facts.inputs["pixel_values"][0] == case.batch_size
    half = {"float16": "float16", "bfloat16": "bfloat16"}
    assert found.facts.dtype == half.get(case.precision, "float32")
    if case.precision in ("ieee", "tf32"):
        assert found.flags["matmul fp32_precision"] == case.precision
        assert found.flags["conv fp32_precision"] == case.precision
    assert found.compiled_peak_memory_bytes is not None
    assert found.compiled_peak_memory_bytes < 64 * 2**20, "of its calls, and not of tuning"
    _has_times_of_all_kinds(found)


def _has_times_of_all_kinds(found: Measurement) -> None:
    assert found.eager_busy_s
    assert found.compiled_busy_s
    for block in found.blocks:
        assert block.device_s is not None
        assert block.enqueue_s is not None
        for wall_s, device_s, enqueue_s in zip(
            block.samples_s, block.device_s, block.enqueue_s, strict=True
        ):
            assert device_s > 0
            assert 0 < enqueue_s <= wall_s


def test_a_case_is_named_by_what_it_combines() -> None:
    case = one_case(("default", "ieee", 2))
    assert isinstance(case, Case)
    assert case.case_id == "vit-base/default/ieee/b2"

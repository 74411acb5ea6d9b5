from __future__ import annotations

import pytest

from orchestrator import estimate, planning
from orchestrator.planning import Choices


def test_on_a_gpu_the_estimate_follows_from_the_times_published_for_a_t4() -> None:
    one = planning.make(Choices(models="vit-base", batch_sizes="1"))
    a_a_s = estimate.START_UP_S + 2 * (300 * 0.01 + 2.0)
    compared_s = a_a_s + estimate.COMPILE_GPU_S + 2 * one.protocol.energy_s
    assert estimate.seconds(one, gpu=True) == pytest.approx(a_a_s + compared_s, rel=0.2)


def test_twice_the_cases_take_twice_the_time() -> None:
    one = planning.make(Choices(models="vit-base", batch_sizes="1"))
    one = one.model_copy(update={"noise_floor": ()})
    two = one.model_copy(update={"recipes": ("default", "max-autotune")})
    assert estimate.seconds(two, gpu=True) == pytest.approx(2 * estimate.seconds(one, gpu=True))


def test_a_cpu_is_slower_than_a_gpu_and_quick_is_quick() -> None:
    full, quick = planning.make(Choices()), planning.make(Choices(quick=True))
    assert estimate.seconds(full, gpu=False) > 3 * estimate.seconds(full, gpu=True)
    assert estimate.seconds(quick, gpu=False) < estimate.seconds(full, gpu=False) / 20


def test_a_model_outside_the_catalogue_is_estimated_as_well() -> None:
    plan = planning.make(Choices(models="acme/vision", batch_sizes="4"))
    assert estimate.seconds(plan, gpu=True) > 0
    assert estimate.seconds(plan, gpu=False) > 0


def test_no_case_takes_longer_than_its_time_limit() -> None:
    plan = planning.make(Choices(models="maskformer-swin-base", batch_sizes="16"))
    long = plan.model_copy(
        update={"protocol": plan.protocol.model_copy(update={"iterations": 10**6})}
    )
    limit_s = plan.protocol.case_limit_s
    assert estimate.case_seconds(long, gpu=False) == [limit_s] * len(long.attempts())


def test_shrunken_models_take_seconds() -> None:
    tiny = planning.make(Choices(quick=True, size="tiny", backend="aot_eager"))
    assert estimate.seconds(tiny, gpu=False) < 40 * len(tiny.attempts())

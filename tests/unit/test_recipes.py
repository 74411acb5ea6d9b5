"""What is known of recipes without torch."""

from __future__ import annotations

from typing import get_args

from harness.contract import recipes
from harness.contract.vocabulary import Backend, Mode
from tests.factories import case, plan


def test_every_mode_with_every_backend_is_a_recipe() -> None:
    for mode in get_args(Mode):
        for backend in get_args(Backend):
            recipe = recipes.of(mode, backend)
            assert recipe.name in (mode, backend)
            assert (recipe is recipes.EAGER) == (mode == "eager")


def test_only_what_writes_kernels_generates_code() -> None:
    assert recipes.generates_code("inductor")
    assert not recipes.generates_code("aot_eager")
    assert not recipes.generates_code("a backend of a newer version")


def test_a_plan_knows_the_recipe_of_each_of_its_cases() -> None:
    tuned = case(mode="max-autotune")
    assert plan([tuned]).recipe(tuned).tunes
    traced = plan([tuned], backend="aot_eager").recipe(tuned)
    assert (traced.name, traced.tunes, traced.generates_code) == ("aot_eager", False, False)

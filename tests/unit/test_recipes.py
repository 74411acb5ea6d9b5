"""What is known of recipes without torch."""

from __future__ import annotations

import pytest

from harness.contract import recipes
from tests.factories import case, plan


def test_every_recipe_is_found_by_its_name() -> None:
    for recipe in (recipes.EAGER, *recipes.RECIPES):
        assert recipes.named(recipe.name) is recipe
    with pytest.raises(ValueError, match="no recipe 'from-tomorrow'"):
        recipes.named("from-tomorrow")


@pytest.mark.parametrize("mode", recipes.MODES)
def test_every_mode_is_a_recipe_and_has_a_rehearsal_that_generates_no_code(mode: str) -> None:
    real, rehearsed = recipes.of(mode), recipes.of(mode, rehearsed=True)
    assert (real.name, real.mode, real.is_rehearsal) == (mode, mode, False)
    assert (rehearsed.mode, rehearsed.backend) == (mode, "aot_eager")
    assert rehearsed.is_rehearsal
    assert not any((rehearsed.generates_code, rehearsed.tunes, rehearsed.records_cuda_graphs))


def test_a_plan_gives_results_or_is_a_rehearsal() -> None:
    with pytest.raises(ValueError, match="some recipes are rehearsals"):
        plan(recipes=("default", "aot_eager"))


def test_nothing_rehearses_an_a_a_case() -> None:
    assert recipes.of("eager", rehearsed=True) is recipes.EAGER


@pytest.mark.parametrize(
    ("backends", "is_rehearsal"),
    [("inductor", False), ("aot_eager", True), ("inductor, aot_eager", True), ("tomorrows", True)],
)
def test_only_backends_that_make_models_faster_give_results(
    backends: str, is_rehearsal: bool
) -> None:
    assert recipes.is_rehearsal(backends) == is_rehearsal


def test_a_case_knows_what_its_recipe_does() -> None:
    tuned = case(recipe="max-autotune")
    assert (tuned.how.tunes, tuned.mode, tuned.is_a_a) == (True, "max-autotune", False)
    assert case(recipe="aot_eager+max-autotune").case_id == (
        "vit-base/aot_eager+max-autotune/float32/b1"
    )
    assert case(recipe="eager").is_a_a

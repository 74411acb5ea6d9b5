"""A few simulated pages, to notice a broken rule; `benchmarks/simulation.py` draws the rest."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from benchmarks import noise_models
from benchmarks.noise_models import DRIFT, MODELS, Noise
from benchmarks.simulated_pages import Page, Setup, generator_of, halves, simulate
from benchmarks.simulation import QUIET, SAMPLES, UNTIL_BLOCKS

PAGES = 12


@functools.cache
def setup() -> Setup:
    return Setup(noise_models.fit(SAMPLES), pages=PAGES)


def nothing(_case: int) -> float:
    return 1.0


def three_percent(_case: int) -> float:
    return 1.03


def quiet(model: Noise) -> float:
    return QUIET / model.spread(setup().fit)


def bias(pages: list[Page]) -> float:
    return float(np.mean([ratio.value for page in pages for ratio in page.ratios])) - 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_pages_without_any_difference_hardly_ever_find_one(model: Noise) -> None:
    pages = simulate(setup(), model, nothing)
    false = [decision in {"faster", "slower"} for page in pages for decision in page.decisions]
    assert sum(false) <= 2


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_intervals_hold_the_truth_about_as_often_as_they_say(model: Noise) -> None:
    ratios = [ratio for page in simulate(setup(), model, nothing) for ratio in page.ratios]
    held = np.mean([(r.low or 0) <= 1 <= (r.high or 0) for r in ratios])
    assert 0.88 <= held <= 0.985


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_three_percent_at_one_percent_noise_are_found(model: Noise) -> None:
    pages = simulate(setup(), model, three_percent, quiet(model))
    found = [decision == "faster" for page in pages for decision in page.decisions]
    assert np.mean(found) >= 0.95


def test_a_drift_falls_on_both_variants_only_when_they_are_interleaved() -> None:
    drifting = Noise("", MODELS[0].deviations, DRIFT)
    assert abs(bias(simulate(setup(), drifting, nothing, quiet(MODELS[0])))) <= 0.003
    apart = simulate(setup(), drifting, nothing, quiet(MODELS[0]), arrange=halves)
    assert bias(apart) == pytest.approx(1.025 / 1.075 - 1, abs=0.001)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_until_one_percent_finds_the_same_in_half_of_the_calls(model: Noise) -> None:
    scale = quiet(model)
    full = simulate(setup(), model, three_percent, scale)
    early = simulate(setup(), model, three_percent, scale, blocks=UNTIL_BLOCKS, until=0.01)
    assert [page.decisions for page in early] == [page.decisions for page in full]
    assert np.mean([page.pairs for page in early]) <= UNTIL_BLOCKS / 2


def test_the_same_seed_draws_the_same_pages() -> None:
    small = Setup(setup().fit, pages=1)
    assert simulate(small, MODELS[0], nothing) == simulate(small, MODELS[0], nothing)


def test_every_noise_model_and_every_purpose_has_random_numbers_of_its_own() -> None:
    drawn = {
        generator_of(model, purpose).standard_normal()
        for model in MODELS
        for purpose in ("coverage", "order")
    }
    assert len(drawn) == 2 * len(MODELS)


def test_the_fit_recovers_what_the_sample_shows() -> None:
    fit = setup().fit
    assert 0.02 < fit.scatter < 0.2
    assert fit.tail_index > 2

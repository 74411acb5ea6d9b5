"""A source of models that the project does not have: one module, and a line in either registry."""

from __future__ import annotations

import pytest
import torch

from harness.contract import sources
from harness.contract.sources import Source
from harness.measure import verify
from harness.models import building, picture
from harness.models import sources as loaders
from harness.models.pretrained import Loaded
from harness.models.sources import Wanted
from orchestrator import model_names, planning
from orchestrator.errors import NoHostError, UnknownNameError
from orchestrator.hosts import distance
from orchestrator.planning import Choices

NAME = "zoo:resnet"


def load(wanted: Wanted) -> Loaded:
    """Builds a known model under names of its own."""
    assert wanted.name == NAME
    return loaders.load(Wanted("resnet-50", "random", "tiny", wanted.seed))


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source(
        "zoo",
        lambda name: name.startswith("zoo:"),
        is_of_one_machine=True,
        has_random_weights=True,
    )
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, source))
    monkeypatch.setattr(loaders, "LOADERS", {**loaders.LOADERS, "zoo": load})
    return source


def test_without_it_the_name_means_nothing() -> None:
    with pytest.raises(UnknownNameError, match=NAME):
        model_names.resolve(NAME, "pretrained")


@pytest.mark.usefixtures("zoo")
def test_its_models_are_planned_and_loaded_like_any_other() -> None:
    plan = planning.make(Choices(models=NAME, weights="random", batch_sizes="2"))
    (case,) = plan.all_cases()
    assert case.model == NAME
    built = building.build(
        case,
        weights=plan.weights,
        size=plan.size,
        seed=plan.seed,
        picture=picture.generated().image,
        device=torch.device("cpu"),
    )
    assert built.facts.architecture == "ResNetForImageClassification"
    assert built.facts.inputs["pixel_values"][0] == 2
    with torch.no_grad():
        verify.refuse_degenerate(verify.flatten(built.module(**built.inputs)))


@pytest.mark.usefixtures("zoo")
def test_what_it_is_capable_of_is_asked_and_not_its_name() -> None:
    plan = planning.make(Choices(models=NAME, weights="pretrained"))
    with pytest.raises(NoHostError, match="cannot see the zoo"):
        distance.require_reachable("a100", plan)

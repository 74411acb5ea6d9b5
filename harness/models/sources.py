"""Loads a model from wherever its name says that it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.contract import catalogue, sources
from harness.contract.vocabulary import Size, Weights
from harness.models import offline, pretrained
from harness.models.load_errors import LoadError
from harness.models.pretrained import Loaded


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model to load. `size` and `seed` are of random weights; `pickled_weights` permits a
    checkpoint that is no safetensors."""

    name: str
    weights: Weights
    size: Size = "full"
    seed: int = 0
    pickled_weights: bool = False


def load(wanted: Wanted) -> Loaded:
    """Load a model in float32 on torch's default device.

    Raises: LoadError, UnsupportedModelError; lack of memory or disk space as it comes.
    """
    source = sources.of(wanted.name)
    if wanted.weights == "random" and not (source and source.has_random_weights):
        raise LoadError(
            f"{wanted.name} is not in the catalogue, so there are no random weights for it: "
            "use --weights pretrained"
        )
    if source is None:
        raise LoadError(_nowhere(wanted.name))
    return LOADERS[source.name](wanted)


def _catalogued(wanted: Wanted) -> Loaded:
    known = catalogue.find(wanted.name)
    assert known is not None
    if wanted.weights == "pretrained":
        return pretrained.load(known.hub_id, known=known, pickled_weights=wanted.pickled_weights)
    module, preprocess = offline.load(known, wanted.size, wanted.seed)
    return Loaded(module, preprocess, revision=None)


def _in_a_folder(wanted: Wanted) -> Loaded:
    return pretrained.load(wanted.name, is_folder=True, pickled_weights=wanted.pickled_weights)


def _on_the_hub(wanted: Wanted) -> Loaded:
    return pretrained.load(wanted.name, pickled_weights=wanted.pickled_weights)


def _nowhere(name: str) -> str:
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        return f"there is no folder {name} on the measuring machine"
    return f"{name!r} can be no model on the Hub: write owner/name"


LOADERS: Final[Mapping[str, Callable[[Wanted], Loaded]]] = {
    "catalogue": _catalogued,
    "folder": _in_a_folder,
    "hub": _on_the_hub,
}

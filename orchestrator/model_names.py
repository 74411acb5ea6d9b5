"""What a name given to --models means: one of the catalogue, a folder here, or an id of the Hub."""

from __future__ import annotations

from harness.contract import catalogue, sources
from harness.contract.vocabulary import MAX_MODEL_CHARACTERS, Weights
from orchestrator.errors import UnknownNameError, UsageError


def resolve(name: str, weights: Weights) -> str:
    """The name by which a plan knows a model. Raises: UnknownNameError, UsageError."""
    if known := catalogue.find(name):
        return known.name
    if len(name) > MAX_MODEL_CHARACTERS:
        raise UsageError(
            f'the model "{name[:40]}…" has {len(name)} characters; at most '
            f"{MAX_MODEL_CHARACTERS} are possible"
        )
    if not name.isprintable():  # records are text; a file name need not be
        raise UsageError(f"the model {name!r} has characters that no text has", "Rename it.")
    source = sources.of(name)
    nameable = "/" in name or source is not None
    if weights == "random" and nameable and not (source and source.has_random_weights):
        raise UsageError(
            f'"{name}" is not one of the twelve models, and random weights exist for those only',
            "Measure it with its own weights:  --weights pretrained",
        )
    if source is not None:
        return source.written(name)
    if "/" in name and not name.startswith((".", "/", "~")):
        raise UsageError(
            f'"{name}" can be no model on the Hub, and no folder of that name is here',
            "Write owner/name, each of letters, digits, dashes, underscores and dots.",
        )
    raise UnknownNameError(
        "model",
        name,
        [model.name for model in catalogue.CATALOGUE],
        "Any other Hub id (owner/name) or a local folder works, too, with --weights pretrained.",
    )

"""What a name given to --models means: one of the catalogue, a folder here, or an id of the Hub."""

from __future__ import annotations

from pathlib import Path

from harness.contract import catalogue
from harness.contract.vocabulary import MAX_MODEL_CHARACTERS, Weights
from orchestrator.errors import UnknownNameError, UsageError


def resolve(name: str, weights: Weights) -> str:
    """The name by which a plan knows a model. Raises: UnknownNameError, UsageError."""
    known = catalogue.find(name)
    if known is not None:
        return known.name
    if len(name) > MAX_MODEL_CHARACTERS:
        raise UsageError(
            f'the model "{name[:40]}…" has {len(name)} characters; at most '
            f"{MAX_MODEL_CHARACTERS} are possible"
        )
    if not name.isprintable():  # records are text; a file name need not be
        raise UsageError(f"the model {name!r} has characters that no text has", "Rename it.")
    if weights == "random" and ("/" in name or is_folder(name)):
        raise UsageError(
            f'"{name}" is not one of the twelve models, and random weights exist for those only',
            "Measure it with its own weights:  --weights pretrained",
        )
    if is_folder(name):
        return str(Path(name).resolve())
    if catalogue.is_hub_id(name):
        return name
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


def is_folder(name: str) -> bool:
    """Whether a model is a folder of this machine; no name is too strange to ask."""
    try:
        return Path(name).is_dir()
    except OSError:  # too long to be one
        return False

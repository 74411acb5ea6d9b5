"""A model with its published weights: from the Hub, or from a folder of save_pretrained.

Never runs code that comes with a checkpoint, and reads pickles only where that was asked for: even
torch's weights-only unpickler has had holes (CVE-2025-32434). All files of one model come from one
commit.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Final

import torch
import transformers
from huggingface_hub.errors import EntryNotFoundError
from torch import nn
from transformers.utils.hub import cached_file, extract_commit_hash

from harness.contract.catalogue import Model
from harness.models import inputs, resnet_backbone, safe_weights
from harness.models.inputs import Preprocess
from harness.models.load_errors import Checkpoint, LoadError, UnsupportedModelError

# In the order in which they are tried where a configuration does not name its architecture.
AUTO_CLASSES: Final = (
    "AutoModelForImageClassification",
    "AutoModelForSemanticSegmentation",
    "AutoModelForUniversalSegmentation",
    "AutoModelForInstanceSegmentation",
    "AutoModelForObjectDetection",
    "AutoModelForZeroShotObjectDetection",
)
TAKES_TEXTS: Final = "AutoModelForZeroShotObjectDetection"
DEFAULT_TEXTS: Final = ("a photo of a cat", "a photo of a dog")
# More of a model than this, missing from its checkpoint, and the weights are not its own.
MAX_MISSING_FRACTION: Final = 0.01


@dataclass(frozen=True, slots=True)
class Loaded:
    """A module in float32, what preprocesses its input, and the commit it came from."""

    module: nn.Module
    preprocess: Preprocess
    revision: str | None


def load(
    name: str,
    *,
    known: Model | None = None,
    is_folder: bool = False,
    pickled_weights: bool = False,
) -> Loaded:
    """Load a model by Hub id or folder.

    Args:
        known: what the catalogue has of it.
        is_folder: whether `name` is a folder and no id.
        pickled_weights: whether a checkpoint without safetensors may be read as a pickle.
    Raises: LoadError, UnsupportedModelError; lack of memory or disk space as it comes.
    """
    # Else a checkpoint without safetensors starts a thread that asks the Hub to convert it, and
    # that thread would share the cores with what is measured.
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "true")
    checkpoint = Checkpoint(name, is_folder, known is not None)
    with checkpoint.explaining("configuration"):
        commit = _commit(checkpoint)
        config, key_mapping = _configuration(checkpoint, commit)
    auto_class = known.auto_class if known else auto_class_for(config, checkpoint.name)
    with checkpoint.explaining("weights"):
        if commit is not None and not pickled_weights:
            commit = safe_weights.commit(checkpoint.name, commit)
        safe_alone = None if pickled_weights else True
        with contextlib.nullcontext() if pickled_weights else safe_weights.alone():
            module = _module(checkpoint, auto_class, config, commit, key_mapping, safe_alone)
    with checkpoint.explaining("processor"):
        preprocess = _preprocess(checkpoint, auto_class, commit, known)
    return Loaded(module, preprocess, commit)


def auto_class_for(config: transformers.PreTrainedConfig, name: str) -> str:
    """The auto class that loads a configuration, preferring the architecture that it names.

    Raises: UnsupportedModelError.
    """
    named = set(getattr(config, "architectures", None) or ())
    for auto_class in AUTO_CLASSES:
        mapping = getattr(transformers, auto_class)._model_mapping  # noqa: SLF001  no public way
        if type(config) in mapping and (not named or _names(mapping[type(config)]) & named):
            return auto_class
    what = ", ".join(sorted(named)) or f"a {config.model_type}"
    raise UnsupportedModelError(
        f"{name} is {what}: only image classification, image segmentation and object detection "
        "are measured"
    )


def _names(architectures: type | tuple[type, ...]) -> set[str]:
    several = architectures if isinstance(architectures, tuple) else (architectures,)
    return {architecture.__name__ for architecture in several}


def _commit(checkpoint: Checkpoint) -> str | None:
    """The commit that the Hub's main branch is at; None for a folder.

    Naming it from here on keeps all files of a model at one state, and lets what is cached
    already be read without asking the Hub.
    """
    path = cached_file(checkpoint.name, "config.json")
    if path is None:
        raise EntryNotFoundError("config.json")
    commit: str | None = extract_commit_hash(path, None)
    return commit


def _configuration(
    checkpoint: Checkpoint, commit: str | None
) -> tuple[transformers.PreTrainedConfig, dict[str, str] | None]:
    """The configuration, and how to rename the checkpoint's weights to fit it."""
    raw, _ = transformers.PreTrainedConfig.get_config_dict(checkpoint.name, revision=commit)
    rewritten = resnet_backbone.without_timm(raw)
    if rewritten is not None:
        return transformers.AutoConfig.for_model(**rewritten), resnet_backbone.renamed()
    config = transformers.AutoConfig.from_pretrained(
        checkpoint.name, revision=commit, trust_remote_code=False
    )
    return config, None


def _module(
    checkpoint: Checkpoint,
    auto_class: str,
    config: transformers.PreTrainedConfig,
    commit: str | None,
    key_mapping: dict[str, str] | None,
    safe_alone: bool | None,
) -> nn.Module:
    # None: safetensors where there are, else .bin through torch's weights-only unpickler.
    module, info = getattr(transformers, auto_class).from_pretrained(
        checkpoint.name,
        config=config,
        revision=commit,
        dtype=torch.float32,
        weights_only=True,
        use_safetensors=safe_alone,
        trust_remote_code=False,
        output_loading_info=True,
        key_mapping=key_mapping,
    )
    _refuse_incomplete(checkpoint, module, info["missing_keys"])
    return module  # type: ignore[no-any-return]


def _refuse_incomplete(checkpoint: Checkpoint, module: nn.Module, missing_keys: set[str]) -> None:
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    missing = sum(sizes.get(key, 0) for key in missing_keys)
    if missing > MAX_MISSING_FRACTION * sum(sizes.values()):
        raise LoadError(
            f"the weights of {checkpoint.name} lack {missing:,} of the model's "
            f"{sum(sizes.values()):,} parameters: choose a checkpoint of this architecture"
        )


def _preprocess(
    checkpoint: Checkpoint, auto_class: str, commit: str | None, known: Model | None
) -> Preprocess:
    options = {"revision": commit, "trust_remote_code": False, "backend": "pil"}
    if auto_class == TAKES_TEXTS:
        texts = known.texts if known else DEFAULT_TEXTS
        processor = transformers.AutoProcessor.from_pretrained(checkpoint.name, **options)
        return inputs.from_picture_and_texts(processor, texts)
    return inputs.from_picture(
        transformers.AutoImageProcessor.from_pretrained(checkpoint.name, **options)
    )

"""A case's model and its inputs, ready to be called on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from PIL import Image
from torch import nn

from harness.contract.plan import Case
from harness.contract.records import ModelFacts
from harness.contract.vocabulary import Precision, Size, Weights
from harness.models import inputs, sources
from harness.models.inputs import Tensors
from harness.models.load_errors import LoadError, UnsupportedModelError
from harness.models.sources import Wanted

__all__ = ["Built", "LoadError", "UnsupportedModelError", "build"]

# The other precisions are float32 whose arithmetic is set elsewhere.
_DTYPES: Final[dict[Precision, torch.dtype]] = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


@dataclass(frozen=True, slots=True)
class Built:
    """A module in eval mode, the keyword arguments it takes, and facts read back from both."""

    module: nn.Module
    inputs: Tensors
    facts: ModelFacts


def build(
    case: Case,
    *,
    weights: Weights,
    size: Size,
    seed: int,
    picture: Image.Image,
    device: torch.device,
    pickled_weights: bool = False,
) -> Built:
    """Build the model of a case on `device`, and its inputs from a picture.

    Args:
        size: of random weights; pretrained ones are as they are.
        pickled_weights: whether a checkpoint may be a pickle.
        seed: of random weights.
        picture: any mode and size; every image of the batch is this one.
    Raises: LoadError; UnsupportedModelError; torch's out-of-memory error.
    """
    dtype = _DTYPES.get(case.precision, torch.float32)
    loaded = sources.load(Wanted(case.model, weights, size, seed, pickled_weights))
    module = loaded.module.eval().to(device, dtype)
    tensors = inputs.prepare(
        loaded.preprocess,
        picture,
        module.forward,
        batch_size=case.batch_size,
        device=device,
        dtype=dtype,
    )
    return Built(module, tensors, _facts(module, tensors, dtype, loaded.revision))


def _facts(
    module: nn.Module, tensors: Tensors, dtype: torch.dtype, revision: str | None
) -> ModelFacts:
    config: Any = module.config
    attention = getattr(config, "_attn_implementation", None)
    return ModelFacts(
        architecture=type(module).__name__,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        dtype=str(dtype).removeprefix("torch."),
        attention=attention if isinstance(attention, str) else None,
        revision=revision,
        inputs={name: tuple(tensor.shape) for name, tensor in tensors.items()},
    )

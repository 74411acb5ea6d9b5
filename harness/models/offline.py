"""A model of the catalogue with random weights: same architecture, same arithmetic, no network."""

from __future__ import annotations

from typing import Final

import torch
import transformers
from torch import nn
from transformers.models.resnet.modeling_resnet import ResNetBottleNeckLayer

from harness.contract.catalogue import Model
from harness.contract.configurations import Architecture
from harness.contract.vocabulary import Size
from harness.models import inputs
from harness.models.inputs import Preprocess

BLOCK_SCALE: Final = 0.2


def load(model: Model, size: Size, seed: int) -> tuple[nn.Module, Preprocess]:
    """Build the module in float32 on torch's default device, and what preprocesses its input.

    The same seed gives the same weights. Seeds torch's global generator.
    """
    architecture = model.full if size == "full" else model.tiny
    processor = getattr(transformers, architecture.processor)(**architecture.processing)
    if model.token_ids:
        return module(model, architecture, seed), inputs.from_picture_and_token_ids(
            processor, model.token_ids
        )
    return module(model, architecture, seed), inputs.from_picture(processor)


def module(model: Model, architecture: Architecture, seed: int) -> transformers.PreTrainedModel:
    """Build the module alone, through the auto class that would load its checkpoint."""
    torch.manual_seed(seed)
    built = getattr(transformers, model.auto_class).from_config(configuration(architecture))
    for name in architecture.reinitialise:
        _reinitialise(built.get_submodule(name))
    _calm(built)
    return built


def configuration(architecture: Architecture) -> transformers.PreTrainedConfig:
    """The configuration object of transformers that a architecture describes."""
    parts = {
        keyword: getattr(transformers, name)(**settings)
        for keyword, (name, settings) in architecture.parts.items()
    }
    return getattr(transformers, architecture.config)(**architecture.settings, **parts)


def _reinitialise(part: nn.Module) -> None:
    """Keep the magnitude of what flows through (He et al. 2015, section 2.2)."""
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _calm(module: nn.Module) -> None:
    """Keep what a ResNet sums over its blocks within the range of float16.

    Training starts the last normalization of a block at zero (Goyal et al. 2017, section 5.1);
    here every block has to count, so a small scale takes the place of zero.
    """
    for block in module.modules():
        if isinstance(block, ResNetBottleNeckLayer):
            nn.init.constant_(block.layer[-1].normalization.weight, BLOCK_SCALE)

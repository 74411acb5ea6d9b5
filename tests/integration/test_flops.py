"""FLOPs of the full-size models, counted without computing or downloading anything."""

from __future__ import annotations

import pytest
import torch
import transformers

from harness.contract.catalogue import CATALOGUE, Model
from harness.measure import flops
from harness.models import inputs, offline, picture


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_the_count_is_the_one_in_the_catalogue(model: Model) -> None:
    with torch.device("meta"):
        module = offline.module(model, model.full, seed=0)
    processor = getattr(transformers, model.full.processor)(**model.full.processing)
    preprocess = (
        inputs.from_picture_and_token_ids(processor, model.token_ids)
        if model.token_ids
        else inputs.from_picture(processor)
    )
    tensors = inputs.prepare(
        preprocess,
        picture.generated().image,
        module.forward,
        batch_size=2,
        device=torch.device("cpu"),
        dtype=torch.bfloat16,
    )
    counted = flops.per_image(module, tensors, batch_size=2)
    assert counted == pytest.approx(model.flops_per_image, rel=0.005)


def test_a_model_that_needs_values_is_not_counted() -> None:
    class Curious(torch.nn.Module):
        config = transformers.ViTConfig()

        @classmethod
        def _from_config(cls, config: object, attn_implementation: str) -> Curious:
            return cls()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum().item() > 0 else -x

    assert flops.per_image(Curious(), {"x": torch.ones(1, 2)}, batch_size=1) is None

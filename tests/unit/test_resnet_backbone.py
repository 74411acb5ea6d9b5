"""Which configurations are moved from timm's ResNet to that of transformers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.models import resnet_backbone


@pytest.mark.parametrize(
    "age",
    [
        {},
        {"backbone": "resnet50", "use_timm_backbone": True, "backbone_config": None},
        {"backbone": "resnet50", "backbone_kwargs": {"out_indices": [1, 2, 3, 4]}},
        {"backbone_config": {"model_type": "timm_backbone", "backbone": "resnet50"}},
    ],
)
def test_configurations_of_every_age_lose_timm(age: dict[str, Any]) -> None:
    changed = resnet_backbone.without_timm({"model_type": "detr", "num_labels": 91, **age})
    assert changed is not None
    assert changed["backbone_config"]["depths"] == [3, 4, 6, 3]
    assert changed["num_labels"] == 91
    assert "backbone_kwargs" not in changed


@pytest.mark.parametrize(
    "raw",
    [
        {"model_type": "vit"},
        {"model_type": "detr", "backbone_config": {"model_type": "resnet"}},
        {"model_type": "detr", "use_timm_backbone": False},
        {"model_type": "detr", "backbone": "resnet18"},
        {"model_type": "detr", "backbone": "resnet50", "dilation": True},
    ],
)
def test_other_configurations_stay_as_they_are(raw: dict[str, Any]) -> None:
    assert resnet_backbone.without_timm(raw) is None


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1.weight", "embedder.embedder.convolution.weight"),
        ("bn1.running_mean", "embedder.embedder.normalization.running_mean"),
        ("layer1.0.conv1.weight", "encoder.stages.0.layers.0.layer.0.convolution.weight"),
        ("layer3.22.bn3.bias", "encoder.stages.2.layers.22.layer.2.normalization.bias"),
        ("layer4.0.downsample.0.weight", "encoder.stages.3.layers.0.shortcut.convolution.weight"),
        ("layer4.0.downsample.1.bias", "encoder.stages.3.layers.0.shortcut.normalization.bias"),
    ],
)
def test_each_weight_has_one_new_name(theirs: str, ours: str) -> None:
    name = f"model.backbone.conv_encoder.model.{theirs}"
    renamed = [
        re.sub(pattern, replacement, name)
        for pattern, replacement in resnet_backbone.renamed().items()
        if re.search(pattern, name)
    ]
    assert renamed == [f"model.backbone.model.{ours}"]

"""timm's ResNet, as a DETR checkpoint stores it, loaded into the ResNet of transformers.

Published DETR checkpoints name their backbone as timm does; timm needs torchvision, whose builds
must match torch's. Both ResNets compute the same, so only names change.
"""

from __future__ import annotations

from typing import Any, Final

_DEPTHS: Final[dict[str, list[int]]] = {"resnet50": [3, 4, 6, 3], "resnet101": [3, 4, 23, 3]}
_DETECTORS: Final = ("detr", "conditional_detr")
_ABOUT_TIMM: Final = ("backbone", "backbone_kwargs", "use_pretrained_backbone")
_HERE: Final = r"backbone\.(?:conv_encoder\.)?model\."


def without_timm(raw: dict[str, Any]) -> dict[str, Any] | None:
    """A checkpoint's config.json on the ResNet of transformers; None where it needs no change.

    Configurations of three ages are understood: `backbone` alone, with `backbone_kwargs`, and
    inside `backbone_config`.
    """
    backbone = raw.get("backbone_config") or {
        "model_type": "timm_backbone" if raw.get("use_timm_backbone", True) else None,
        "backbone": raw.get("backbone", "resnet50"),
    }
    fits = raw.get("model_type") in _DETECTORS and not raw.get("dilation")
    depths = _DEPTHS.get(backbone.get("backbone") or "")
    if not fits or depths is None or backbone.get("model_type") != "timm_backbone":
        return None
    return {key: value for key, value in raw.items() if key not in _ABOUT_TIMM} | {
        "backbone_config": {"model_type": "resnet", "depths": depths, "out_features": ["stage4"]},
        "use_timm_backbone": False,
    }


def renamed() -> dict[str, str]:
    """Patterns of timm's names -> transformers' names, for `from_pretrained(key_mapping=...)`."""
    names = {
        _HERE + r"conv1\.": r"backbone.model.embedder.embedder.convolution.",
        _HERE + r"bn1\.": r"backbone.model.embedder.embedder.normalization.",
    }
    for stage in range(4):
        theirs = _HERE + rf"layer{stage + 1}\.(\d+)\."
        ours = rf"backbone.model.encoder.stages.{stage}.layers.\1."
        names[theirs + r"downsample\.0\."] = ours + "shortcut.convolution."
        names[theirs + r"downsample\.1\."] = ours + "shortcut.normalization."
        for layer in range(3):
            names[theirs + rf"conv{layer + 1}\."] = ours + f"layer.{layer}.convolution."
            names[theirs + rf"bn{layer + 1}\."] = ours + f"layer.{layer}.normalization."
    return names

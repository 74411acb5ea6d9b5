"""How to build each model of the catalogue without a network: architecture and preprocessing.

Plain data: names of transformers' classes and what differs from their defaults. The full recipes
have the architecture of the published checkpoints; the tiny ones have every kind of layer of the
full ones and run in milliseconds, for tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Settings: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Architecture:
    """An architecture and its image processor, by class name in transformers.

    `parts` are configurations inside the configuration: keyword -> (class name, settings).
    `reinitialise` names submodules ("" is all) whose default random weights nearly erase what
    flows through them, so that outputs are alike whatever was computed, or inflate it beyond
    float16.
    """

    config: str
    settings: Settings
    processor: str
    processing: Settings
    parts: dict[str, tuple[str, Settings]]
    reinitialise: tuple[str, ...]


def _square(edge: int) -> Settings:
    return {"height": edge, "width": edge}


def _architecture(
    config: str,
    settings: Settings,
    processor: str,
    processing: Settings,
    *reinitialise: str,
    **parts: tuple[str, Settings],
) -> Architecture:
    return Architecture(config, settings, processor, processing, parts, reinitialise)


_IMAGENET: Final[Settings] = {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
_STAGES: Final = ["stage1", "stage2", "stage3", "stage4"]

# --- Image classification ---------------------------------------------------------------------

VIT_BASE: Final = _architecture("ViTConfig", {"num_labels": 1000}, "ViTImageProcessorPil", {})
VIT_TINY: Final = _architecture(
    "ViTConfig",
    {
        "num_labels": 10,
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
    "ViTImageProcessorPil",
    {"size": _square(32)},
)

_BEIT_PROCESSING: Final[Settings] = {"resample": 2, "do_center_crop": False}  # 2: bilinear
BEIT_BASE: Final = _architecture(
    "BeitConfig",
    {"num_labels": 21841, "use_relative_position_bias": True},
    "BeitImageProcessorPil",
    _BEIT_PROCESSING,
)
BEIT_TINY: Final = _architecture(
    "BeitConfig",
    VIT_TINY.settings | {"use_relative_position_bias": True},
    "BeitImageProcessorPil",
    _BEIT_PROCESSING | {"size": _square(32)},
)

# The default scale of 1e-6 before training would hide what the blocks compute.
_TRAINED_SCALE: Final[Settings] = {"layer_scale_init_value": 1.0}
CONVNEXT_LARGE: Final = _architecture(
    "ConvNextConfig",
    _TRAINED_SCALE
    | {"num_labels": 1000, "hidden_sizes": [192, 384, 768, 1536], "depths": [3, 3, 27, 3]},
    "ConvNextImageProcessorPil",
    _IMAGENET | {"size": {"shortest_edge": 224}},
)
CONVNEXT_TINY: Final = _architecture(
    "ConvNextConfig",
    _TRAINED_SCALE | {"num_labels": 10, "hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 2, 1]},
    "ConvNextImageProcessorPil",
    _IMAGENET | {"size": {"shortest_edge": 64}},
)

RESNET_50: Final = _architecture(
    "ResNetConfig",
    {"num_labels": 1000},
    "ConvNextImageProcessorPil",
    _IMAGENET | {"size": {"shortest_edge": 224}},
)
_TINY_RESNET: Final[Settings] = {
    "embedding_size": 8,
    "hidden_sizes": [16, 16, 32, 32],
    "depths": [1, 1, 1, 1],
}
RESNET_TINY: Final = _architecture(
    "ResNetConfig",
    {"num_labels": 10, **_TINY_RESNET},
    "ConvNextImageProcessorPil",
    _IMAGENET | {"size": {"shortest_edge": 64}},
)

# --- Image segmentation -----------------------------------------------------------------------

SEGFORMER_B0: Final = _architecture(
    "SegformerConfig", {"num_labels": 150}, "SegformerImageProcessorPil", {}
)
SEGFORMER_TINY: Final = _architecture(
    "SegformerConfig",
    {
        "num_labels": 5,
        "hidden_sizes": [8, 8, 16, 16],
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 2, 2],
        "decoder_hidden_size": 16,
    },
    "SegformerImageProcessorPil",
    {"size": _square(64)},
)

DEEPLAB_MOBILENET_V2: Final = _architecture(
    "MobileNetV2Config",
    {"num_labels": 21, "image_size": 513, "output_stride": 8},
    "MobileNetV2ImageProcessorPil",
    {"size": {"shortest_edge": 545}, "crop_size": _square(513)},
    "",
)
DEEPLAB_TINY: Final = _architecture(
    "MobileNetV2Config",
    {"num_labels": 5, "image_size": 65, "output_stride": 8, "depth_multiplier": 0.25},
    "MobileNetV2ImageProcessorPil",
    {"size": {"shortest_edge": 69}, "crop_size": _square(65)},
    "",
)

MASK2FORMER_SWIN_TINY: Final = _architecture(
    "Mask2FormerConfig",
    {"num_labels": 133},
    "Mask2FormerImageProcessorPil",
    {"size": _square(384)},
    backbone_config=(
        "SwinConfig",
        {"depths": [2, 2, 6, 2], "drop_path_rate": 0.3, "out_features": _STAGES},
    ),
)
_TINY_SWIN: Final[Settings] = {
    "image_size": 64,
    "embed_dim": 16,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "out_features": _STAGES,
}
MASK2FORMER_TINY: Final = _architecture(
    "Mask2FormerConfig",
    {
        "num_labels": 5,
        "feature_size": 32,
        "mask_feature_size": 32,
        "hidden_dim": 32,
        "encoder_feedforward_dim": 64,
        "dim_feedforward": 64,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "num_attention_heads": 2,
        "num_queries": 5,
    },
    "Mask2FormerImageProcessorPil",
    {"size": _square(64)},
    backbone_config=("SwinConfig", _TINY_SWIN),
)

MASKFORMER_SWIN_BASE: Final = _architecture(
    "MaskFormerConfig",
    {"num_labels": 150},
    "MaskFormerImageProcessorPil",
    {"size": {"shortest_edge": 640, "longest_edge": 2560}},
    backbone_config=(
        "SwinConfig",
        {
            "image_size": 384,
            "embed_dim": 128,
            "depths": [2, 2, 18, 2],
            "num_heads": [4, 8, 16, 32],
            "window_size": 12,
            "drop_path_rate": 0.3,
            "out_features": _STAGES,
        },
    ),
    decoder_config=("DetrConfig", {"use_timm_backbone": False}),
)
_TINY_DETR: Final[Settings] = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "num_queries": 5,
    "use_timm_backbone": False,
}
MASKFORMER_TINY: Final = _architecture(
    "MaskFormerConfig",
    {"num_labels": 5, "fpn_feature_size": 32, "mask_feature_size": 32},
    "MaskFormerImageProcessorPil",
    {"size": {"shortest_edge": 64, "longest_edge": 256}},
    backbone_config=("SwinConfig", _TINY_SWIN),
    decoder_config=("DetrConfig", _TINY_DETR),
)

# --- Object detection -------------------------------------------------------------------------

OWLVIT_BASE: Final = _architecture(
    "OwlViTConfig", {}, "OwlViTImageProcessorPil", {}, "box_head", "class_head"
)
# The whole vocabulary stays: the token ids of the texts are those of the real tokenizer.
OWLVIT_TINY: Final = _architecture(
    "OwlViTConfig",
    {
        "projection_dim": 32,
        "text_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        },
        "vision_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
        },
    },
    "OwlViTImageProcessorPil",
    {"size": _square(64)},
    "box_head",
    "class_head",
)

_COCO_DETECTOR: Final[Settings] = {"num_labels": 91, "use_timm_backbone": False}
_TINY_DETECTOR: Final[Settings] = _TINY_DETR | {"num_labels": 5}
_SMALL_PICTURE: Final[Settings] = {"size": {"shortest_edge": 64, "longest_edge": 128}}


def _detector(
    config: str, settings: Settings, processing: Settings, backbone: Settings
) -> Architecture:
    """A DETR on the ResNet of transformers: timm's arithmetic without that dependency."""
    return _architecture(
        config,
        settings,
        config.replace("Config", "ImageProcessorPil"),
        processing,
        "bbox_predictor",
        backbone_config=("ResNetConfig", {"out_features": ["stage4"], **backbone}),
    )


DETR_RESNET_50: Final = _detector("DetrConfig", _COCO_DETECTOR, {}, {})
DETR_RESNET_101: Final = _detector("DetrConfig", _COCO_DETECTOR, {}, {"depths": [3, 4, 23, 3]})
CONDITIONAL_DETR_RESNET_50: Final = _detector("ConditionalDetrConfig", _COCO_DETECTOR, {}, {})

DETR_TINY: Final = _detector("DetrConfig", _TINY_DETECTOR, _SMALL_PICTURE, _TINY_RESNET)
DETR_TINY_DEEPER: Final = _detector(
    "DetrConfig", _TINY_DETECTOR, _SMALL_PICTURE, _TINY_RESNET | {"depths": [1, 1, 2, 1]}
)
CONDITIONAL_DETR_TINY: Final = _detector(
    "ConditionalDetrConfig", _TINY_DETECTOR, _SMALL_PICTURE, _TINY_RESNET
)

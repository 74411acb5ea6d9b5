"""The twelve vision models that the published page measured, in its order.

Plain data that either half can load: this module imports neither torch nor transformers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from harness.contract import configurations
from harness.contract.configurations import Architecture
from harness.contract.vocabulary import Task

TokenIds = tuple[int, ...]


# As the Hub itself has it: owner and name, of letters, digits, dashes, underscores and single dots.
_ID_PART: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_]|[-.](?![-.]|$|/))*"
_HUB_ID: Final = re.compile(rf"{_ID_PART}/{_ID_PART}")
_MAX_ID_CHARACTERS: Final = 96


@dataclass(frozen=True, slots=True)
class Model:
    """One model: what it is called, what it computes, how to build it with or without a network.

    `flops_per_image` counts two per multiply-add, on a 640x480 picture. `texts` go in beside the
    picture; `token_ids` are those texts as the checkpoint's own tokenizer renders them.
    """

    name: str
    hub_id: str
    label: str
    task: Task
    auto_class: str
    parameters: int
    flops_per_image: int
    full: Architecture
    tiny: Architecture
    texts: tuple[str, ...] = ()
    token_ids: tuple[TokenIds, ...] = ()


CATALOGUE: Final[tuple[Model, ...]] = (
    Model(
        name="vit-base",
        hub_id="google/vit-base-patch16-224",
        label="ViT",
        task="image-classification",
        auto_class="AutoModelForImageClassification",
        parameters=86_567_656,
        flops_per_image=35_100_000_000,
        full=configurations.VIT_BASE,
        tiny=configurations.VIT_TINY,
    ),
    Model(
        name="segformer-b0",
        hub_id="nvidia/segformer-b0-finetuned-ade-512-512",
        label="Segformer",
        task="image-segmentation",
        auto_class="AutoModelForSemanticSegmentation",
        parameters=3_752_694,
        flops_per_image=16_800_000_000,
        full=configurations.SEGFORMER_B0,
        tiny=configurations.SEGFORMER_TINY,
    ),
    Model(
        name="owlvit-base",
        hub_id="google/owlvit-base-patch32",
        label="OwlViT",
        task="object-detection",
        auto_class="AutoModelForZeroShotObjectDetection",
        parameters=153_231_879,
        flops_per_image=117_000_000_000,
        full=configurations.OWLVIT_BASE,
        tiny=configurations.OWLVIT_TINY,
        texts=("a photo of a cat", "a photo of a dog"),
        token_ids=(
            (49406, 320, 1125, 539, 320, 2368, 49407),
            (49406, 320, 1125, 539, 320, 1929, 49407),
        ),
    ),
    Model(
        name="beit-base",
        hub_id="microsoft/beit-base-patch16-224-pt22k-ft22k",
        label="BeiT",
        task="image-classification",
        auto_class="AutoModelForImageClassification",
        parameters=102_557_713,
        flops_per_image=35_200_000_000,
        full=configurations.BEIT_BASE,
        tiny=configurations.BEIT_TINY,
    ),
    Model(
        name="convnext-large",
        hub_id="facebook/convnext-large-224",
        label="ConvNeXT",
        task="image-classification",
        auto_class="AutoModelForImageClassification",
        parameters=197_767_336,
        flops_per_image=68_700_000_000,
        full=configurations.CONVNEXT_LARGE,
        tiny=configurations.CONVNEXT_TINY,
    ),
    Model(
        name="resnet-50",
        hub_id="microsoft/resnet-50",
        label="ResNet",
        task="image-classification",
        auto_class="AutoModelForImageClassification",
        parameters=25_557_032,
        flops_per_image=8_180_000_000,
        full=configurations.RESNET_50,
        tiny=configurations.RESNET_TINY,
    ),
    Model(
        name="deeplabv3-mobilenet-v2",
        hub_id="google/deeplabv3_mobilenet_v2_1.0_513",
        label="MobileNet",
        task="image-segmentation",
        auto_class="AutoModelForSemanticSegmentation",
        parameters=2_525_717,
        flops_per_image=21_100_000_000,
        full=configurations.DEEPLAB_MOBILENET_V2,
        tiny=configurations.DEEPLAB_TINY,
    ),
    Model(
        name="detr-resnet-50",
        hub_id="facebook/detr-resnet-50",
        label="DETR",
        task="object-detection",
        auto_class="AutoModelForObjectDetection",
        parameters=41_524_768,
        flops_per_image=162_000_000_000,
        full=configurations.DETR_RESNET_50,
        tiny=configurations.DETR_TINY,
    ),
    Model(
        name="conditional-detr-resnet-50",
        hub_id="microsoft/conditional-detr-resnet-50",
        label="Conditional-DETR",
        task="object-detection",
        auto_class="AutoModelForObjectDetection",
        parameters=43_418_401,
        flops_per_image=170_000_000_000,
        full=configurations.CONDITIONAL_DETR_RESNET_50,
        tiny=configurations.CONDITIONAL_DETR_TINY,
    ),
    Model(
        name="mask2former-swin-tiny",
        hub_id="facebook/mask2former-swin-tiny-coco-panoptic",
        label="Mask2former",
        task="image-segmentation",
        auto_class="AutoModelForUniversalSegmentation",
        parameters=47_436_800,
        flops_per_image=79_200_000_000,
        full=configurations.MASK2FORMER_SWIN_TINY,
        tiny=configurations.MASK2FORMER_TINY,
    ),
    Model(
        name="maskformer-swin-base",
        hub_id="facebook/maskformer-swin-base-ade",
        label="Maskformer",
        task="image-segmentation",
        auto_class="AutoModelForUniversalSegmentation",
        parameters=101_831_439,
        flops_per_image=497_000_000_000,
        full=configurations.MASKFORMER_SWIN_BASE,
        tiny=configurations.MASKFORMER_TINY,
    ),
    Model(
        name="detr-resnet-101",
        hub_id="facebook/detr-resnet-101",
        label="Resnet-101",
        task="object-detection",
        auto_class="AutoModelForObjectDetection",
        parameters=60_464_672,
        flops_per_image=289_000_000_000,
        full=configurations.DETR_RESNET_101,
        tiny=configurations.DETR_TINY_DEEPER,
    ),
)

# Light enough to measure on a laptop's CPU, one architecture of each kind.
QUICK_MODELS: Final = ("resnet-50", "vit-base", "segformer-b0", "deeplabv3-mobilenet-v2")

_BY_NAME: Final = {key: model for model in CATALOGUE for key in (model.name, model.hub_id)}


def find(name: str) -> Model | None:
    """The model with this short name or Hub id; None for a model outside the catalogue."""
    return _BY_NAME.get(name)


def is_hub_id(name: str) -> bool:
    """Whether a name can be that of a model on the Hub: nothing in it reads as a path elsewhere."""
    return len(name) <= _MAX_ID_CHARACTERS and _HUB_ID.fullmatch(name) is not None

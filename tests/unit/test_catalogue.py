"""The catalogue as either half of the project loads it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.contract import catalogue
from harness.contract.catalogue import CATALOGUE

PUBLISHED_ORDER = (
    "ViT",
    "Segformer",
    "OwlViT",
    "BeiT",
    "ConvNeXT",
    "ResNet",
    "MobileNet",
    "DETR",
    "Conditional-DETR",
    "Mask2former",
    "Maskformer",
    "Resnet-101",
)


def test_models_come_in_the_order_of_the_published_page() -> None:
    assert tuple(model.label for model in CATALOGUE) == PUBLISHED_ORDER


def test_a_model_is_found_by_short_name_and_by_hub_id() -> None:
    for model in CATALOGUE:
        assert catalogue.find(model.name) is model
        assert catalogue.find(model.hub_id) is model


@pytest.mark.parametrize("name", ["", "ViT", "VIT-BASE", "google/vit-base-patch16-384"])
def test_anything_else_is_not_in_the_catalogue(name: str) -> None:
    assert catalogue.find(name) is None


def test_the_quick_models_are_of_the_catalogue_and_the_lightest_of_their_tasks() -> None:
    quick = [catalogue.find(name) for name in catalogue.QUICK_MODELS]
    assert all(model is not None and model.flops_per_image < 40e9 for model in quick)


def test_each_task_has_four_models() -> None:
    tasks = [model.task for model in CATALOGUE]
    assert {task: tasks.count(task) for task in tasks} == {
        "image-classification": 4,
        "image-segmentation": 4,
        "object-detection": 4,
    }


def test_texts_have_their_tokens() -> None:
    for model in CATALOGUE:
        assert len(model.texts) == len(model.token_ids)


def test_loading_the_catalogue_loads_no_framework() -> None:
    script = (
        "import sys, harness.contract.catalogue;"
        "print([m for m in ('torch', 'transformers', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]")

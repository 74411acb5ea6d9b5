"""The twelve architectures: full-size ones on the meta device, tiny ones run for real."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import transformers

from harness.contract import catalogue
from harness.contract.catalogue import CATALOGUE, Model
from harness.contract.plan import Case
from harness.contract.vocabulary import Precision
from harness.measure import verify
from harness.models import building, inputs, offline, picture
from harness.models.building import Built

# Parameters, class, and input shapes from a 640x480 picture: none of it read from the catalogue.
EXPECTED: dict[str, tuple[int, str, dict[str, tuple[int, ...]]]] = {
    "vit-base": (
        86_567_656,
        "ViTForImageClassification",
        {"pixel_values": (1, 3, 224, 224)},
    ),
    "segformer-b0": (
        3_752_694,
        "SegformerForSemanticSegmentation",
        {"pixel_values": (1, 3, 512, 512)},
    ),
    "owlvit-base": (
        153_231_879,
        "OwlViTForObjectDetection",
        {"pixel_values": (1, 3, 768, 768), "input_ids": (2, 16), "attention_mask": (2, 16)},
    ),
    "beit-base": (
        102_557_713,
        "BeitForImageClassification",
        {"pixel_values": (1, 3, 224, 224)},
    ),
    "convnext-large": (
        197_767_336,
        "ConvNextForImageClassification",
        {"pixel_values": (1, 3, 224, 224)},
    ),
    "resnet-50": (
        25_557_032,
        "ResNetForImageClassification",
        {"pixel_values": (1, 3, 224, 224)},
    ),
    "deeplabv3-mobilenet-v2": (
        2_525_717,
        "MobileNetV2ForSemanticSegmentation",
        {"pixel_values": (1, 3, 513, 513)},
    ),
    "detr-resnet-50": (
        41_524_768,
        "DetrForObjectDetection",
        {"pixel_values": (1, 3, 800, 1066), "pixel_mask": (1, 800, 1066)},
    ),
    "conditional-detr-resnet-50": (
        43_418_401,
        "ConditionalDetrForObjectDetection",
        {"pixel_values": (1, 3, 800, 1066), "pixel_mask": (1, 800, 1066)},
    ),
    "mask2former-swin-tiny": (
        47_436_800,
        "Mask2FormerForUniversalSegmentation",
        {"pixel_values": (1, 3, 384, 384), "pixel_mask": (1, 384, 384)},
    ),
    "maskformer-swin-base": (
        101_831_439,
        "MaskFormerForInstanceSegmentation",
        {"pixel_values": (1, 3, 640, 864), "pixel_mask": (1, 640, 864)},
    ),
    "detr-resnet-101": (
        60_464_672,
        "DetrForObjectDetection",
        {"pixel_values": (1, 3, 800, 1066), "pixel_mask": (1, 800, 1066)},
    ),
}
CPU = torch.device("cpu")
SHOWN = picture.generated().image
every_model = pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of models this small only get in each other's way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(model: Model, precision: Precision = "float32", batch_size: int = 1) -> Built:
    case = Case(model=model.name, recipe="default", precision=precision, batch_size=batch_size)
    return building.build(case, weights="random", size="tiny", seed=0, picture=SHOWN, device=CPU)


def outputs(built: Built) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return verify.flatten(built.module(**built.inputs))


@every_model
def test_a_full_size_model_has_the_parameters_of_the_published_one(model: Model) -> None:
    parameters, architecture, _ = EXPECTED[model.name]
    with torch.device("meta"):
        module = offline.module(model, model.full, seed=0)
    assert type(module).__name__ == architecture
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters
    assert model.parameters == parameters


@every_model
def test_a_full_size_processor_makes_the_published_input(model: Model) -> None:
    processor = getattr(transformers, model.full.processor)(**model.full.processing)
    preprocess = (
        inputs.from_picture_and_token_ids(processor, model.token_ids)
        if model.token_ids
        else inputs.from_picture(processor)
    )
    made = preprocess(SHOWN)
    assert {name: tuple(tensor.shape) for name, tensor in made.items()} == EXPECTED[model.name][2]


@every_model
def test_a_tiny_model_answers_to_its_input_and_keeps_its_magnitude(model: Model) -> None:
    built = build(model)
    seen = outputs(built)
    verify.refuse_degenerate(seen)
    assert max(float(tensor.abs().max()) for tensor in seen.values()) < 1e4
    built.inputs["pixel_values"].mul_(-1)
    unseen = outputs(built)
    changed = {
        name: float((unseen[name] - seen[name]).abs().max() / seen[name].abs().max())
        for name in seen
        if "text" not in name
    }
    assert min(changed.values()) > 1e-3


@every_model
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_tiny_model_works_in_half_precision(model: Model, precision: Precision) -> None:
    built = build(model, precision)
    verify.refuse_degenerate(outputs(built))
    assert built.facts.dtype == precision
    assert {
        tensor.dtype
        for tensor in (*built.inputs.values(), *built.module.parameters())
        if tensor.is_floating_point()
    } == {getattr(torch, precision)}


@every_model
def test_every_image_of_a_batch_is_the_same(model: Model) -> None:
    one, three = build(model), build(model, batch_size=3)
    for name, tensor in three.inputs.items():
        assert tensor.shape[0] == 3 * one.inputs[name].shape[0]
        assert torch.equal(tensor, torch.cat([one.inputs[name]] * 3))
        assert not tensor.is_inference()


def test_the_same_seed_makes_the_same_weights() -> None:
    first, again = (build(CATALOGUE[0]).module.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_facts_are_read_back_from_what_was_built() -> None:
    model = catalogue.find("owlvit-base")
    assert model is not None
    built = build(model, batch_size=2)
    assert not built.module.training
    assert built.facts.model_dump() == {
        "architecture": "OwlViTForObjectDetection",
        "parameters": sum(parameter.numel() for parameter in built.module.parameters()),
        "dtype": "float32",
        "attention": "sdpa",
        "revision": None,
        "inputs": {
            "pixel_values": (2, 3, 64, 64),
            "input_ids": (4, 16),
            "attention_mask": (4, 16),
        },
        "flops_per_image": None,  # counted once per model, after timing
    }


def test_texts_are_padded_and_masked() -> None:
    made = inputs.padded([[7, 8, 9], [5]])
    assert made["input_ids"].sum(dim=1).tolist() == [24, 5]
    assert made["attention_mask"].sum(dim=1).tolist() == [3, 1]


def test_a_batch_that_memory_cannot_hold_raises_what_torch_raises() -> None:
    with pytest.raises(RuntimeError, match="memory"):
        build(CATALOGUE[0], batch_size=10**12)


def test_random_weights_exist_for_the_catalogue_only() -> None:
    case = Case(model="someone/else", recipe="default", precision="float32", batch_size=1)
    with pytest.raises(building.LoadError, match="--weights pretrained"):
        building.build(case, weights="random", size="tiny", seed=0, picture=SHOWN, device=CPU)


def test_a_whole_resnet_101_stays_within_the_range_of_float16() -> None:
    model = catalogue.find("detr-resnet-101")
    assert model is not None
    module = offline.module(model, model.full, seed=0).eval().half()
    with torch.no_grad():
        seen = verify.flatten(module(pixel_values=torch.ones(1, 3, 64, 64).half()))
    verify.refuse_degenerate(seen)

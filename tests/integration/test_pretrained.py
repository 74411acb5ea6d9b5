"""Loading checkpoints for real: from a Hub on loopback, and from folders."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from harness.contract import catalogue
from harness.contract.configurations import Architecture
from harness.models import offline
from tests.integration.checkpoints import save
from tests.integration.loopback_hub import COMMIT, PROPOSED, LoopbackHub, Proposal

ROOT = Path(__file__).resolve().parent.parent.parent
Load = Callable[[str | Path], dict[str, Any]]


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as serving:
        yield serving


@pytest.fixture(scope="module")
def load(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """A function that loads a model in the probe process, which talks to the loopback Hub only."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path_factory.mktemp("huggingface")),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.integration.load_probe"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def ask(model: str | Path) -> dict[str, Any]:
            requests.write(f"{model}\n")
            requests.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield ask
        process.kill()  # torch takes seconds to leave in good order


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("vit-base", tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def copied(classifier: Path, tmp_path: Path) -> Path:
    """A classifier that a test may damage."""
    return Path(shutil.copytree(classifier, tmp_path / "model"))


def reconfigured(folder: Path, **changes: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def refusal(answer: dict[str, Any], kind: str = "LoadError") -> str:
    assert answer.get("error") == kind, answer
    message: str = answer["message"]
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    ("name", "architecture", "batch"),
    [
        ("vit-base", "ViTForImageClassification", {"pixel_values": [2, 3, 32, 32]}),
        ("segformer-b0", "SegformerForSemanticSegmentation", {"pixel_values": [2, 3, 64, 64]}),
        (
            "conditional-detr-resnet-50",
            "ConditionalDetrForObjectDetection",
            {"pixel_values": [2, 3, 64, 85], "pixel_mask": [2, 64, 85]},
        ),
        (
            "owlvit-base",
            "OwlViTForObjectDetection",
            {"pixel_values": [2, 3, 64, 64], "input_ids": [4, 16], "attention_mask": [4, 16]},
        ),
    ],
)
def test_a_model_of_the_catalogue_is_loaded_from_the_hub(
    hub: LoopbackHub,
    load: Load,
    tmp_path: Path,
    name: str,
    architecture: str,
    batch: dict[str, list[int]],
) -> None:
    model = catalogue.find(name)
    assert model is not None
    hub.models[model.hub_id] = save(name, tmp_path)
    facts = load(name)
    assert facts["architecture"] == architecture
    assert facts["revision"] == COMMIT
    assert facts["inputs"] == batch


@pytest.mark.parametrize(
    "name", ["resnet-50", "deeplabv3-mobilenet-v2", "maskformer-swin-base", "detr-resnet-50"]
)
def test_the_task_of_any_other_model_is_read_from_its_configuration(
    load: Load, tmp_path: Path, name: str
) -> None:
    facts = load(save(name, tmp_path))
    named = json.loads((tmp_path / "config.json").read_text())["architectures"]
    assert [facts["architecture"]] == named
    assert facts["revision"] is None


def pickled(folder: Path) -> Path:
    """The same checkpoint with its weights as a pickle alone, as older models have it."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


@pytest.mark.parametrize("name", ["someone/older", "beit-base", "detr-resnet-101"])
def test_weights_without_safetensors_are_loaded_if_the_user_insists(
    hub: LoopbackHub, load: Load, tmp_path: Path, name: str
) -> None:
    """The models of the catalogue are no exception."""
    model = catalogue.find(name)
    folder = pickled(save(model.name if model else "vit-base", tmp_path))
    hub.models[model.hub_id if model else name] = folder
    assert "--allow-pickle" in refusal(load(name))
    insisting = load(f"{name} --allow-pickle")
    assert insisting["parameters"] > 0
    assert insisting["revision"] == COMMIT


@pytest.mark.parametrize("name", ["", "someone/indexed"])
def test_a_pickle_in_the_index_of_safetensors_is_read_only_if_the_user_insists(
    hub: LoopbackHub, load: Load, copied: Path, name: str
) -> None:
    names = load_file(copied / "model.safetensors").keys()
    pickled(copied).joinpath("pytorch_model.bin").rename(copied / "model-1.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "model-1.bin")}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    hub.models["someone/indexed"] = copied
    assert "--allow-pickle" in refusal(load(name or copied))
    assert load(f"{name or copied} --allow-pickle")["parameters"] > 0


def test_weights_that_the_hubs_bot_converted_are_taken_from_its_pull_request(
    hub: LoopbackHub, load: Load, classifier: Path, copied: Path
) -> None:
    hub.models["someone/converted"] = pickled(copied)
    hub.proposals["someone/converted"] = Proposal(classifier)
    assert load("someone/converted")["revision"] == PROPOSED


@pytest.mark.parametrize(
    "proposal",
    [{"author": "SFconvertb0t"}, {"title": "Adding weights"}, {"parent": "1" * 40}],
    ids=["of another", "of something else", "on an older state"],
)
def test_no_other_pull_request_is_taken(
    hub: LoopbackHub, load: Load, classifier: Path, copied: Path, proposal: dict[str, str]
) -> None:
    name = f"someone/{'-'.join(proposal)}"
    hub.models[name], hub.proposals[name] = pickled(copied), Proposal(classifier, **proposal)
    assert "--allow-pickle" in refusal(load(name))


def test_a_detector_on_the_backbone_of_timm_is_loaded_without_timm(
    load: Load, tmp_path: Path
) -> None:
    """Its completeness is checked while loading, so every weight found its place."""
    assert load(as_timm(tmp_path))["architecture"] == "DetrForObjectDetection"


def as_timm(folder: Path) -> Path:
    """A DETR with a whole ResNet-50 as it is published: timm's names, no backbone_config."""
    model = catalogue.find("detr-resnet-50")
    assert model is not None
    save(model.name, folder)
    tiny, backbone = model.tiny, model.full.parts
    architecture = Architecture(tiny.config, tiny.settings, tiny.processor, {}, backbone, ())
    offline.module(model, architecture, seed=1).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    renamed = {timm_name(name): tensor for name, tensor in weights.items()}
    assert "model.backbone.conv_encoder.model.layer3.5.conv2.weight" in renamed
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    return reconfigured(folder, use_timm_backbone=True, backbone="resnet50", backbone_config=None)


def timm_name(name: str) -> str:
    for ours, theirs in (
        (r"embedder\.embedder\.convolution", "conv1"),
        (r"embedder\.embedder\.normalization", "bn1"),
        (r"shortcut\.convolution", "downsample.0"),
        (r"shortcut\.normalization", "downsample.1"),
        *((rf"layer\.{n}\.convolution", f"conv{n + 1}") for n in range(3)),
        *((rf"layer\.{n}\.normalization", f"bn{n + 1}") for n in range(3)),
        *((rf"encoder\.stages\.{n}\.layers\.", f"layer{n + 1}.") for n in range(4)),
    ):
        name = re.sub(rf"(backbone\..*){ours}", rf"\g<1>{theirs}", name)
    return name


def test_what_was_loaded_once_needs_no_server(
    hub: LoopbackHub, load: Load, classifier: Path
) -> None:
    hub.models["someone/cached"] = classifier
    first = load("someone/cached")
    with hub.stopped():
        assert load("someone/cached") == first


def test_without_a_server_random_weights_are_offered(hub: LoopbackHub, load: Load) -> None:
    with hub.stopped():
        in_catalogue, other = load("beit-base"), load("someone/else")
    assert "check this machine's connection" in refusal(other)
    assert "--weights random" not in refusal(other)
    assert "--weights random" in refusal(in_catalogue)


def test_a_connection_cut_in_mid_file_is_no_damaged_model(
    hub: LoopbackHub, load: Load, tmp_path: Path
) -> None:
    hub.models["microsoft/resnet-50"] = save("resnet-50", tmp_path)
    with hub.cutting("model.safetensors"):
        message = refusal(load("resnet-50"))
    assert "the weights of microsoft/resnet-50 could not be downloaded" in message
    assert "revision" in load("resnet-50")


def test_an_unknown_model_asks_for_the_spelling(load: Load) -> None:
    assert "no model nobody/nothing: check the spelling" in refusal(load("nobody/nothing"))


def test_a_gated_model_says_how_to_get_in(hub: LoopbackHub, load: Load) -> None:
    hub.gated.add("meta/secret")
    message = refusal(load("meta/secret"))
    assert f"{hub.url}/meta/secret" in message
    assert "HF_TOKEN" in message


def test_a_folder_that_is_not_there(load: Load, tmp_path: Path) -> None:
    assert "no folder" in refusal(load(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no model.safetensors"),
        ("preprocessor_config.json", "has no preprocessor_config.json"),
    ],
)
def test_an_incomplete_folder_names_what_it_lacks(
    load: Load, copied: Path, file: str, said: str
) -> None:
    (copied / file).unlink()
    assert said in refusal(load(copied))


@pytest.mark.parametrize("keep", [0, 4, 1000])
@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_damaged_weights_are_called_damaged(load: Load, copied: Path, kind: str, keep: int) -> None:
    weights = load_file(copied / "model.safetensors")
    if kind == "pytorch_model.bin":
        (copied / "model.safetensors").unlink()
        torch.save(weights, copied / kind)
    (copied / kind).write_bytes((copied / kind).read_bytes()[:keep])
    assert "damaged" in refusal(load(f"{copied} --allow-pickle"))


def test_weights_of_another_size_do_not_fit(load: Load, copied: Path) -> None:
    assert "do not fit" in refusal(load(reconfigured(copied, hidden_size=64)))


def test_weights_of_another_model_are_not_replaced_by_random_ones(load: Load, copied: Path) -> None:
    other = {"something.else": torch.zeros(3)}
    save_file(other, copied / "model.safetensors", metadata={"format": "pt"})
    assert "of the model's" in refusal(load(copied))


class Gun:
    """What runs a command when it is unpickled by a careless reader."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["GUN"],)


@pytest.mark.parametrize("insisting", ["", " --allow-pickle"])
def test_a_pickle_that_would_run_a_command_is_refused_and_runs_none(
    load: Load, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, insisting: str
) -> None:
    monkeypatch.setenv("GUN", str(tmp_path / "it ran"))
    (copied / "model.safetensors").unlink()
    torch.save({"weight": Gun()}, copied / "pytorch_model.bin")
    assert refusal(load(f"{copied}{insisting}"))
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    "name",
    ["someone/../../etc", "../someone/older", "someone/older/../..", "someone/..", "a//b",
     "someone\\older", "someone/older@main", "someone/older?x=1", "someone/%2e%2e", "~root/x",
     "https://example.org/x", "someone/--older", "a" * 60 + "/" + "b" * 60],
)  # fmt: skip
def test_a_hub_id_with_a_path_or_an_address_in_it_is_refused_before_anything_is_asked(
    load: Load, name: str
) -> None:
    assert "no folder" in (said := refusal(load(name))) or "can be no model" in said


def test_code_that_comes_with_a_model_is_never_run(load: Load, copied: Path) -> None:
    (copied / "theirs.py").write_text("raise SystemExit('it ran')")
    changed = reconfigured(copied, model_type="theirs", auto_map={"AutoConfig": "theirs.Config"})
    assert "never runs" in refusal(load(changed))


@pytest.mark.parametrize("architecture", ["ViTModel", "ViTForMaskedImageModeling"])
def test_another_task_is_not_supported(load: Load, copied: Path, architecture: str) -> None:
    answer = load(reconfigured(copied, architectures=[architecture]))
    assert architecture in refusal(answer, "UnsupportedModelError")


def test_a_language_model_is_not_supported(load: Load, tmp_path: Path) -> None:
    transformers.BertConfig().save_pretrained(tmp_path)
    assert "image classification" in refusal(load(tmp_path), "UnsupportedModelError")


def test_a_model_that_needs_timm_says_so(load: Load, copied: Path) -> None:
    assert "timm" in refusal(load(reconfigured(copied, model_type="timm_wrapper")))

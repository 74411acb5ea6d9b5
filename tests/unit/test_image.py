from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.hosts import image
from orchestrator.hosts.image import ImageSource

DIGEST = f"ghcr.io/acme/benchmark@sha256:{'0' * 64}"


def copy(folder: Path) -> Path:
    shutil.copy(image.ROOT / "Dockerfile", folder)
    for part in ("harness", "requirements"):
        shutil.copytree(image.ROOT / part, folder / part)
    return folder


def test_the_context_holds_what_the_dockerfile_copies_and_nothing_else() -> None:
    with tarfile.open(fileobj=io.BytesIO(image.build_input({}).context)) as archive:
        names = archive.getnames()
    assert {"Dockerfile", "harness/__main__.py", "requirements/harness.txt"} <= set(names)
    assert {name.split("/")[0] for name in names} == set(image.PARTS)
    assert not [name for name in names if "__pycache__" in name]


def test_the_same_content_has_the_same_tag_wherever_it_lies(tmp_path: Path) -> None:
    there = copy(tmp_path)
    (there / "harness" / "__pycache__").mkdir(exist_ok=True)
    (there / "harness" / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert image.build_input({}, there).tag == image.build_input({}).tag


def test_a_change_of_code_or_of_an_argument_changes_the_tag(tmp_path: Path) -> None:
    there = copy(tmp_path)
    before = image.build_input({}, there).tag
    assert image.build_input({"TORCH_VERSION": "2.15.0"}, there).tag != before
    (there / "harness" / "worker.py").write_text("changed")
    assert image.build_input({}, there).tag != before


def test_an_image_says_by_which_lock_its_torch_was_verified(tmp_path: Path) -> None:
    there = copy(tmp_path)
    mirror = {"TORCH_VERSION": "2.14.1", "TORCH_INDEX": "https://mirror.example/whl/cu126/"}
    assert image.build_input(mirror, there).arguments["TORCH_LOCK"] == "none"
    (there / "requirements" / "torch-2.14.1-cu126.txt").write_text("torch==2.14.1")
    assert image.build_input(mirror, there).arguments["TORCH_LOCK"] == "torch-2.14.1-cu126.txt"
    newest = {"TORCH_VERSION": "2.15.0", "TORCH_INDEX": ""}
    assert image.build_input(newest, there).arguments["TORCH_LOCK"] == "torch-2.15.0.txt"


def test_a_source_is_read() -> None:
    assert image.parse_source("build", []) == ImageSource()
    assert image.parse_source("ship", ["TORCH_INDEX="]).arguments == {"TORCH_INDEX": ""}
    base = f"nvidia/cuda:12.6.3-base-ubuntu24.04@sha256:{'0' * 64}"
    assert image.parse_source("build", [f"BASE_IMAGE={base}"]).arguments == {"BASE_IMAGE": base}
    assert image.parse_source(f"pull:{DIGEST}", []) == ImageSource("pull", DIGEST)


@pytest.mark.parametrize(
    ("text", "arguments", "error", "sentence"),
    [
        ("biuld", [], UnknownNameError, "Did you mean build?"),
        ("pull:ghcr.io/acme/benchmark:latest", [], UsageError, "does not pin an image"),
        (f"pull:{DIGEST}", ["TORCH_VERSION=2.14.1"], UsageError, "means nothing"),
        ("build", ["TORCH_VERSION"], UsageError, "has no value"),
        ("build", ["TORCH_VERSION=banana"], UsageError, '"banana" is not possible'),
        ("build", ["TORCH_VERSION=2.14.1; rm -rf /"], UsageError, "is not possible"),
        ("ship", ["TORCH_INDEX=pytorch.org"], UsageError, '"pytorch.org" is not possible'),
        ("build", ["TORCH_INDEX=https://me:pass@pypi.example/"], UsageError, "holds a password"),
        ("build", ["BASE_IMAGE="], UsageError, '"" is not possible'),
        ("build", ["TORCH_VERSIN=2"], UnknownNameError, "Did you mean TORCH_VERSION?"),
    ],
)
def test_a_source_that_means_nothing_is_refused(
    text: str, arguments: list[str], error: type[UsageError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence.replace("?", r"\?")):
        image.parse_source(text, arguments)


def test_every_build_argument_of_a_user_is_one_of_the_dockerfile() -> None:
    text = (image.ROOT / "Dockerfile").read_text()
    assert all(f"ARG {name}=" in text for name in image.ARGUMENTS)


def test_the_dockerfile_needs_no_registry_to_be_understood() -> None:
    text = (image.ROOT / "Dockerfile").read_text()
    assert "# syntax" not in text
    assert "<<" not in text
    assert "--mount" not in text

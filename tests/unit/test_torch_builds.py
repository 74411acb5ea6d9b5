from __future__ import annotations

import pytest

from orchestrator.diagnosis import torch_builds
from orchestrator.diagnosis.torch_builds import Build

DOCKERFILE = """
ARG BASE_IMAGE=nvidia/cuda:12.6.3-base-ubuntu24.04
ARG TORCH_VERSION=2.14.1
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu126
"""
PORTABLE = Build("2.14.1", "cu126")
CURRENT = Build("2.15.0", "cu132")


@pytest.mark.parametrize(
    ("arguments", "build"),
    [
        ({}, PORTABLE),
        ({"TORCH_VERSION": "2.15.0", "TORCH_INDEX": ""}, CURRENT),
        ({"TORCH_VERSION": "2.13.0", "TORCH_INDEX": ""}, Build("2.13.0", "cu130")),
        ({"TORCH_INDEX": "https://download.pytorch.org/whl/cpu/"}, Build("2.14.1", "cpu")),
        ({"TORCH_INDEX": "https://mirror.example/simple"}, Build("2.14.1", "")),
        ({"TORCH_VERSION": "2.1.0", "TORCH_INDEX": ""}, Build("2.1.0", "")),
    ],
)
def test_the_build_follows_from_arguments_and_defaults(
    arguments: dict[str, str], build: Build
) -> None:
    assert torch_builds.of_image(arguments, DOCKERFILE) == build


def test_cuda_and_driver_follow_from_the_build() -> None:
    assert (PORTABLE.cuda, PORTABLE.driver) == ("12.6", "525")
    assert (CURRENT.cuda, CURRENT.driver) == ("13.2", "580")
    assert (Build("2.13.0", "cpu").cuda, Build("2.13.0", "").driver) == (None, None)


@pytest.mark.parametrize(
    ("build", "capability", "runs"),
    [
        (PORTABLE, "7.0", True),
        (PORTABLE, "8.9", True),  # 8.6's code runs on a later minor version
        (PORTABLE, "12.0", False),
        (CURRENT, "7.0", False),
        (CURRENT, "7.5", True),
        (CURRENT, "12.1", True),
        (CURRENT, "11.0", False),
    ],
)
def test_code_runs_on_its_own_major_version(build: Build, capability: str, runs: bool) -> None:
    assert build.runs_on(capability) is runs


def test_the_remedy_is_the_other_flavour() -> None:
    assert "TORCH_VERSION=2.14.1" in CURRENT.remedy("7.0")
    assert "cu126" in CURRENT.remedy("7.0")
    assert "TORCH_VERSION=2.15.0" in PORTABLE.remedy("12.0")


@pytest.mark.parametrize(
    ("text", "numbers"), [("580.95.05", (580, 95, 5)), ("7.5", (7, 5)), ("2.13.0+cpu", (2, 13, 0)),
                          ("[N/A]", ())],
)  # fmt: skip
def test_versions_compare_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert torch_builds.version(text) == numbers


@pytest.mark.parametrize(
    ("module", "tag"),
    [("cuda: Optional[str] = '13.0'\nhip = None\n", "cu130"), ("cuda = None\n", "cpu")],
)
def test_the_installed_build_is_read_from_its_own_words(module: str, tag: str) -> None:
    assert torch_builds.of_installed("2.13.0+local", module) == Build("2.13.0", tag)

"""What is installed, by whom it was locked, and what is never done with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from orchestrator.hosts import image

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.name))
def test_every_package_of_a_lock_has_its_version_and_its_hashes(lock: Path) -> None:
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert packages
    for line in packages:
        assert re.match(r"[a-z0-9._-]+(\[.*\])?==\S+", line, re.IGNORECASE), line
        assert "--hash=sha256:" in line, line


def test_the_torch_of_this_machine_and_the_newest_image_are_locked() -> None:
    torch = re.search(r'"torch==([0-9.]+)"', (ROOT / "pyproject.toml").read_text())
    assert torch
    assert f"TORCH_HERE := {torch[1]}\n" in (ROOT / "Makefile").read_text()
    for arguments in ({"TORCH_VERSION": torch[1]}, {"TORCH_VERSION": "2.15.0"}):
        lock = image.torch_lock({**arguments, "TORCH_INDEX": ""})
        pins = (ROOT / "requirements" / lock).read_text()
        assert f"torch=={arguments['TORCH_VERSION']} " in pins
        libraries = lock.replace(".txt", "-libraries.txt")
        assert "nvidia-cudnn" in (ROOT / "requirements" / libraries).read_text()


def test_the_base_image_is_named_by_its_digest() -> None:
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"nvidia/cuda:[\w.-]+@sha256:[0-9a-f]{64}", base)


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile"])
def test_no_lock_is_installed_without_its_hashes(file: str) -> None:
    commands = re.split(r"[;&|\n]+", (ROOT / file).read_text().replace("\\\n", " "))
    installs = [line for line in commands if re.search(r"(PIP\)|install).* -r ", line)]
    assert len(installs) >= 3
    for line in installs:
        assert "--require-hashes" in line, line


def test_this_package_is_built_by_what_is_locked() -> None:
    """Else pip fetches a setuptools that nobody verified."""
    own = [line for line in (ROOT / "Makefile").read_text().splitlines() if " -e ." in line]
    assert len(own) == 2, "one for a CPU, one for a GPU"
    assert all("--no-build-isolation" in line for line in own)
    assert "setuptools==" in (ROOT / "requirements" / "harness.txt").read_text()


def keywords(name: str) -> list[tuple[str, ast.expr]]:
    """Every value that the harness gives to a keyword or a key of this name."""
    found: list[tuple[str, ast.expr]] = []
    for path in sorted((ROOT / "harness").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == name:
                found.append((path.name, node.value))
            if isinstance(node, ast.Dict):
                keys = zip(node.keys, node.values, strict=True)
                found += [
                    (path.name, value)
                    for key, value in keys
                    if isinstance(key, ast.Constant) and key.value == name
                ]
    return found


def test_code_that_comes_with_a_model_is_trusted_nowhere() -> None:
    given = keywords("trust_remote_code")
    assert len(given) >= 3
    assert all(isinstance(value, ast.Constant) and value.value is False for _, value in given)


def test_no_pickle_is_read_without_the_restricted_unpickler() -> None:
    assert [value.value for _, value in keywords("weights_only")] == [True]  # type: ignore[attr-defined]
    for path in (ROOT / "harness").rglob("*.py"):
        assert not re.search(r"torch\.load\(|pickle\.loads?\(", path.read_text()), path

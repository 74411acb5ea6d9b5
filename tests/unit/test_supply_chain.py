"""What is installed, by whom it was locked, and what is never done with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
HASHED = [path for path in LOCKS if path.name != "torch.txt"]


@pytest.mark.parametrize("lock", HASHED, ids=lambda path: str(path.name))
def test_every_package_of_a_lock_has_its_version_and_its_hashes(lock: Path) -> None:
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert packages
    for line in packages:
        assert re.match(r"[a-z0-9._-]+(\[.*\])?==\S+", line, re.IGNORECASE), line
        assert "--hash=sha256:" in line, line


def test_torch_alone_is_pinned_without_hashes() -> None:
    """Which build is right depends on the GPU: each index has wheels, and hashes, of its own."""
    lines = (ROOT / "requirements" / "torch.txt").read_text().splitlines()
    (pin,) = [line for line in lines if line and not line.startswith("#")]
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", pin)


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile"])
def test_no_lock_is_installed_without_its_hashes(file: str) -> None:
    lines = (ROOT / file).read_text().replace("\\\n", " ").splitlines()
    installs = [line for line in lines if re.search(r"(\$\(PIP\)|pip install)\b.*-r ", line)]
    assert installs
    for line in installs:
        assert "--require-hashes" in line or "requirements/torch.txt" in line, line


def keywords(name: str) -> list[tuple[str, ast.expr]]:
    """Every value that the harness gives to a keyword or a key of this name."""
    found: list[tuple[str, ast.expr]] = []
    for path in sorted((ROOT / "harness").glob("*.py")):
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
    for path in (ROOT / "harness").glob("*.py"):
        assert not re.search(r"torch\.load\(|pickle\.loads?\(", path.read_text()), path

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.inventory import contexts
from orchestrator.inventory.contexts import Context


def add(root: Path, number: str, text: str) -> Path:
    path = root / "contexts" / "meta" / number / "meta.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_contexts_are_read_without_a_config_json(tmp_path: Path) -> None:
    add(tmp_path, "1", '{"Name": "box", "Endpoints": {"docker": {"Host": "tcp://box:2376"}}}')
    certificates = tmp_path / "contexts" / "tls" / "1" / "docker"
    certificates.mkdir(parents=True)
    assert contexts.read(tmp_path)["box"] == Context("box", "tcp://box:2376", str(certificates))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Name": 1, "Endpoints": {"docker": {}}}'])
def test_a_damaged_context_is_left_out(tmp_path: Path, text: str) -> None:
    path = add(tmp_path, "1", text)
    assert set(contexts.read(tmp_path)) == {"default"}
    (sentence,) = contexts.damaged(tmp_path)
    assert sentence.startswith(f"the Docker context in {path} cannot be read: it ")


def test_the_default_context_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/other.sock")
    assert contexts.read(Path("nowhere"))["default"].url == "unix:///run/other.sock"

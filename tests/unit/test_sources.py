"""Which source a name belongs to, and what each side makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contract import sources
from harness.contract.sources import Source
from orchestrator import model_names
from orchestrator.errors import NoHostError
from orchestrator.hosts import distance
from tests.factories import case, plan


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("vit-base", "catalogue"),
        ("google/vit-base-patch16-224", "catalogue"),
        ("owner/name", "hub"),
        ("own", "folder"),
        ("./own", "folder"),
        ("./nowhere", None),
        ("a/b/c", None),
        ("nowhere", None),
        ("", None),
        ("x" * 5000, None),
        ("null\0byte", None),
    ],
)
def test_a_name_tells_its_source(
    name: str, source: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "vit-base").mkdir()  # a folder does not take the name of a known model
    monkeypatch.chdir(tmp_path)
    found = sources.of(name)
    assert (found.name if found else None) == source


def test_a_folder_is_refused_where_another_machine_is_to_measure(tmp_path: Path) -> None:
    distance.require_reachable("t4", plan([case("vit-base"), case("owner/name")]))
    with pytest.raises(NoHostError, match=f"cannot see the folder {tmp_path} of this machine"):
        distance.require_reachable("t4", plan([case(str(tmp_path))]))


def test_one_more_source_is_known_to_the_command_line_by_its_line_in_the_registry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timm = Source("timm", lambda name: name.startswith("timm:"))
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, timm))
    assert model_names.resolve("timm:resnet18.a1_in1k", "pretrained") == "timm:resnet18.a1_in1k"

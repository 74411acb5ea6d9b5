"""The cluster as a fixture: started once for all tests of this folder, ended whatever happens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray import cluster as clusters
from tests.ray.cluster import Cluster, Node
from tests.ray.trial import Trial


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a cluster, and says so by its mark."""
    for item in items:
        if "tests/ray/" in item.path.as_posix():
            item.add_marker(pytest.mark.ray)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Four A100 on two nodes, and a T4 on another."""
    if why := clusters.missing():
        if os.environ.get("REQUIRE_ALL"):
            pytest.fail(why)
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    nodes = [
        Node("a1", "127.77.0.2", "A100", 2),
        Node("a2", "127.77.0.3", "A100", 2),
        Node("t1", "127.77.0.4", "T4", 1),
    ]
    try:
        with clusters.running(folder, nodes) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def trial(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    monkeypatch.setenv("RAY_AUTH_TOKEN", clusters.TOKEN)
    return Trial(cluster, tmp_path)

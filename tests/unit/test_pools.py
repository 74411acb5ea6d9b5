"""A pool as the inventory has it, and what goes to its cluster."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import pytest

from orchestrator.errors import UsageError
from orchestrator.hosts import package
from orchestrator.hosts.kinds import registry
from orchestrator.inventory import inventory
from orchestrator.inventory.pools import Pool, PoolMachine
from tests.factories import case, plan

TABLE = {"ray": "http://127.0.0.1:8265/", "accelerator": "A100"}


def test_a_table_names_nodes_of_one_kind() -> None:
    pool = Pool.of_table("here", {**TABLE, "workers": 4, "token_env": "RAY_AUTH_TOKEN"})
    assert pool == Pool("http://127.0.0.1:8265", "A100", "", 4, "RAY_AUTH_TOKEN")
    assert not pool.is_exposed
    assert Pool.of_table("here", {**TABLE, "ray": "http://head:8265"}).is_exposed


def test_a_pool_is_remembered_without_its_token() -> None:
    machine = PoolMachine(
        "a100", Pool.of_table("here", {**TABLE, "gpu": "none", "controls": False}), 3.5
    )
    kept = machine.settings()
    assert inventory.remembered("a100", kept, registry.settings()) == machine


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ray": "127.0.0.1:8265"}, "ray is no address of a cluster"),
        ({"ray": "ray://head:10001"}, "ray is no address of a cluster"),
        ({"ray": 8265}, "ray is no address of a cluster"),
        ({"ray": "http://head:99999"}, "ray is no address of a cluster"),
        ({"ray": "http://head:0"}, "ray is no address of a cluster"),
        ({"ray": "http://he ad:8265"}, "ray is no address of a cluster"),
        ({"ray": "http://head\n:8265"}, "ray is no address of a cluster"),
        ({"ray": "http://me:secret@head:8265"}, "holds a user or a password"),
        ({"workers": 0}, "workers is no number"),
        ({"workers": True}, "workers is no number"),
        ({"workers": "4"}, "workers is no number"),
        ({"accelerator": ""}, "accelerator is no name"),
        ({"accelerator": "A 100"}, "accelerator is no name"),
        ({"accelerator": None}, "needs accelerator or resource"),
        ({"token_env": "ray-token"}, "token_env is no name"),
        ({"gpu": 0}, "gives each case one GPU"),
        ({"controls": "no"}, "controls is neither true nor false"),
    ],
)
def test_what_is_wrong_with_a_pool_is_said(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Pool.of_table("hosts.toml, [hosts.a]", {**TABLE, **changes})
    assert words in caught.value.sentence
    assert "secret" not in caught.value.sentence


def test_a_package_holds_the_harness_and_the_whole_plan() -> None:
    of = plan([case(), case(batch_size=4)])
    packed = package.pack(of.model_copy(update={"skip": (case().case_id,)}))
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert "harness/__main__.py" in archive.namelist()
        assert archive.read("plan.json").decode() == of.model_dump_json()


def test_the_same_content_has_the_same_name() -> None:
    first, again = package.pack(plan([case()])), package.pack(plan([case()]))
    other = package.pack(plan([case(batch_size=4)]))
    assert first.name == again.name != other.name


def test_a_case_that_its_plan_lacks_is_refused_in_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--plan", "-", "--only", "nothing/of/the/plan"],
        input=plan([case()]).model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "the plan has no case 'nothing/of/the/plan'" in done.stderr

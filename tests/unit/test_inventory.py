from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.local import LocalMachine
from orchestrator.inventory import inventory
from orchestrator.inventory.addresses import SOCKET, Address
from orchestrator.inventory.engines import EngineMachine

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "hosts.example.toml"


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without inventory, contexts or SSH configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    return tmp_path


def resolve(names: list[str], file: Path | None = None) -> tuple[Any, ...]:
    return inventory.resolve(names, registry.settings(), file)


def read(file: Path) -> dict[str, Any]:
    return dict(inventory.read(registry.settings(), file))


def written(folder: Path, text: str) -> Path:
    path = folder / "hosts.toml"
    path.write_text(text)
    return path


def add_context(folder: Path, name: str, url: str) -> None:
    path = folder / ".docker" / "contexts" / "meta" / name / "meta.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": url}}}))


def test_local_is_this_machine() -> None:
    assert resolve(["local"]) == (LocalMachine(),)


def test_the_example_can_be_read(nobody: Path) -> None:
    add_context(nobody, "v100-box", "unix:///run/v100.sock")
    a100, t4, v100 = resolve(["a100", "t4", "v100"], EXAMPLE)
    assert a100 == EngineMachine("a100", Address("ssh", "203.0.113.10", "ubuntu"), ("0",), 3.67)
    assert t4.address == Address("ssh", "203.0.113.11", "ubuntu", 2222)
    assert v100.address == Address("unix", path="/run/v100.sock")


def test_a_table_is_found_before_a_context_of_the_same_name(nobody: Path) -> None:
    add_context(nobody, "t4", "ssh://context@t4")
    written(nobody, '[hosts.t4]\ndocker = "ssh://table@t4"')
    assert resolve(["t4"])[0].address == Address("ssh", "t4", "table")


def test_a_docker_context_needs_no_table(nobody: Path) -> None:
    add_context(nobody, "box", "ssh://bench@203.0.113.7")
    assert resolve(["box"])[0].address == Address("ssh", "203.0.113.7", "bench")


def test_a_context_that_is_missing_costs_only_the_table_that_names_it(nobody: Path) -> None:
    path = written(nobody, '[hosts.a]\ndocker = "ssh://a"\n[hosts.b]\ncontext = "nowhere"\n')
    assert [machine.name for machine in resolve(["a"], path)] == ["a"]
    with pytest.raises(UnknownNameError, match="unknown Docker context"):
        resolve(["a", "b"], path)


def test_a_table_may_name_a_context(nobody: Path) -> None:
    add_context(nobody, "box", "unix:///run/box.sock")
    path = written(nobody, '[hosts.v100]\ncontext = "box"\ngpu = "GPU-1a2b"')
    assert read(path)["v100"] == EngineMachine(
        "v100", Address("unix", path="/run/box.sock"), ("GPU-1a2b",)
    )


def test_an_address_is_a_host_with_a_short_name() -> None:
    found = resolve(["ssh://ubuntu@203.0.113.10:2222", "unix:///var/run/docker.sock"])
    assert [machine.name for machine in found] == ["203.0.113.10", "docker.sock"]
    assert found[1].address == Address("unix", path=SOCKET)


def test_an_unknown_name_lists_what_exists_and_the_nearest_match(nobody: Path) -> None:
    add_context(nobody, "box", "unix:///run/box.sock")
    (nobody / ".ssh").mkdir()
    (nobody / ".ssh" / "config").write_text("Host v100 *.lab\n  User bench\n")
    written(nobody, '[hosts.a100]\ndocker = "ssh://a@b"')
    with pytest.raises(UnknownNameError) as caught:
        resolve(["a10"])
    assert caught.value.sentence == 'unknown host "a10". Did you mean a100?'
    for name in ("local", "a100", "box", "v100"):
        assert name in caught.value.advice


@pytest.mark.parametrize("names", [["t4", "t4"], ["t4", "T4"], ["local", "local"]])
def test_no_host_is_named_twice(nobody: Path, names: list[str]) -> None:
    written(nobody, "".join(f'[hosts.{n}]\ndocker = "ssh://a@b"\n' for n in ("t4", "T4")))
    with pytest.raises(UsageError, match="given twice"):
        resolve(names)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[hosts.a\n", "line 1"),
        ("[host.a]\n", 'unknown key in hosts.toml "host". Did you mean hosts?'),
        ("[hosts]\na = 1\n", "[hosts.a] is no table"),
        ('[hosts.a]\ndoker = "ssh://b"\n', 'unknown key in hosts.toml, [hosts.a] "doker". Did'),
        ("[hosts.a]\n", "one of docker, context and ray is needed"),
        ('[hosts.a]\ndocker = "ssh://b"\ncontext = "c"\n', "one of docker, context and ray"),
        ('[hosts.a]\ndocker = "ssh://b"\nray = "http://c:8265"\n', "an engine at once"),
        ('[hosts.a]\ndocker = "b"\n', "docker is no address"),
        ("[hosts.a]\ndocker = 3\n", "docker is no address"),
        ('[hosts.a]\ncontext = "nowhere"\n', "unknown Docker context in hosts.toml, [hosts.a]"),
        ('[hosts.a]\ndocker = "ssh://b"\ngpu = true\n', "gpu = true names no GPU"),
        ('[hosts.a]\ndocker = "ssh://b"\ngpu = []\n', "gpu = [] names no GPU"),
        ('[hosts.a]\ndocker = "ssh://b"\ngpu = "first"\n', 'gpu = "first" names no GPU'),
        ('[hosts.a]\ndocker = "ssh://b"\ngpu = [0, 0]\n', "gpu names one GPU twice"),
        ('[hosts.a]\ndocker = "ssh://b"\nprice_per_hour = -1\n', "is no price"),
        ('[hosts.a]\ndocker = "ssh://b"\nprice_per_hour = nan\n', "is no price"),
        ('[hosts.local]\ndocker = "ssh://b"\n', '"local" cannot be the name of a host'),
        ('[hosts."../x"]\ndocker = "ssh://b"\n', '"../x" cannot be the name of a host'),
    ],
)
def test_what_is_wrong_with_an_inventory_is_said_with_its_place(
    nobody: Path, text: str, sentence: str
) -> None:
    written(nobody, text)
    with pytest.raises(UsageError) as caught:
        resolve(["a"])
    assert sentence in caught.value.sentence
    assert "hosts.toml" in caught.value.sentence


@pytest.mark.parametrize("value", ["True", "None"])
def test_what_is_no_toml_is_told_how_toml_writes_it(nobody: Path, value: str) -> None:
    written(nobody, f'[hosts.a]\ndocker = "ssh://b"\ngpu = {value}\n')
    with pytest.raises(UsageError) as caught:
        resolve(["a"])
    assert "line 3" in caught.value.sentence
    assert "true and false in small letters" in caught.value.advice


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (f'[hosts.a]\ndocker = "ssh://b"\ngpu = {["x"] * 5000}\n', "names no GPU"),
        (f'[hosts.a]\ndocker = "ssh://b"\ngpu = {list(range(100))}\n', "names 100 GPUs"),
        (f"[hosts.a]\n{'k' * 5000} = 1\n", "unknown key"),
        (f'[hosts.{"a" * 5000}]\ndocker = "ssh://b"\n', "cannot be the name"),
    ],
)
def test_what_is_long_is_not_printed_whole(nobody: Path, table: str, sentence: str) -> None:
    written(nobody, table)
    with pytest.raises(UsageError, match=sentence) as caught:
        resolve(["a"])
    assert len(caught.value.sentence) < 250


def test_a_mark_of_byte_order_is_no_part_of_the_inventory(nobody: Path) -> None:
    path = nobody / "hosts.toml"
    path.write_bytes(b'\xef\xbb\xbf[hosts.a]\r\ndocker = "ssh://b"\r\n')
    assert resolve(["a"])[0].address == Address("ssh", "b")


def test_a_pipe_is_not_waited_for(nobody: Path) -> None:
    os.mkfifo(nobody / "hosts.toml")
    with pytest.raises(UsageError, match="is no file"):
        resolve(["a"])


SHARED = """\
[hosts.a]
docker = "ssh://one@Box"
[hosts.b]
docker = "ssh://two@box"
gpu = [1, 0]
[hosts.c]
docker = "ssh://box"
gpu = "2"
"""


def test_two_names_of_one_gpu_are_refused(nobody: Path) -> None:
    written(nobody, SHARED)
    with pytest.raises(UsageError) as caught:
        resolve(["c", "a", "b"])
    assert caught.value.sentence == 'hosts "a" and "b" are both the GPU 0 of ssh://two@box'
    assert [one.name for one in resolve(["b", "c"])] == ["b", "c"]


def test_a_context_that_cannot_be_read_is_named_where_a_name_is_not_found(nobody: Path) -> None:
    path = nobody / ".docker" / "contexts" / "meta" / "1" / "meta.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(UnknownNameError) as caught:
        resolve(["box"])
    assert f"the Docker context in {path} cannot be read: it is no JSON" in caught.value.advice


def test_an_inventory_that_was_named_must_exist(nobody: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the inventory other"):
        resolve(["local"], Path("other.toml"))


def test_several_gpus_and_none_at_all(nobody: Path) -> None:
    path = written(
        nobody,
        '[hosts.box]\ndocker = "ssh://b"\ngpu = [0, 1]\n'
        '[hosts.cpu]\ndocker = "ssh://c"\ngpu = "none"\n',
    )
    found = read(path)
    assert (found["box"].gpus, found["cpu"].gpus) == (("0", "1"), ())


@pytest.mark.parametrize(
    "machine",
    [
        EngineMachine(
            "a", Address("ssh", "h", "u", 22, "/run/user/1/docker.sock"), ("0", "1"), 3.5
        ),
        EngineMachine("b", Address("unix", path="/run/x.sock"), ()),
        EngineMachine("c", Address("tcp", "h", port=2376, path="", certificates="/certs")),
        EngineMachine("d", Address("ssh", "Alias")),
    ],
)
def test_a_machine_survives_being_written_to_run_json(machine: EngineMachine) -> None:
    settings = json.loads(json.dumps(machine.settings()))
    assert inventory.remembered(machine.name, settings, registry.settings()) == machine

"""What CUDA_VISIBLE_DEVICES and the driver say of this machine's GPUs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import NoHostError
from orchestrator.hosts import local_gpus
from orchestrator.hosts.container import Lane

LISTED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaa-0000)
  MIG 3g.20gb     Device  1: (UUID: MIG-bbbb-1111)
GPU 1: Tesla T4 (UUID: GPU-7d01e1f0-aaaa)
"""


def smi(folder: Path, patch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    patch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (None, None),
        ("", ()),
        (" ", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("2", ("2",)),
        ("0, 1", ("0", "1")),
        ("0,1,", ("0", "1")),
        ("0,2,-1,1", ("0", "2")),
        ("GPU-5c89852c,GPU-7d01e1f0", ("GPU-5c89852c", "GPU-7d01e1f0")),
        ("MIG-aaaa-0000,MIG-bbbb-1111", ("MIG-aaaa-0000", "MIG-bbbb-1111")),
        ("MIG-GPU-5c89852c-d268/1/0", ("MIG-GPU-5c89852c-d268/1/0",)),
    ],
)
def test_entries_are_read_as_cuda_reads_them(
    text: str | None, entries: tuple[str, ...] | None
) -> None:
    environment = {} if text is None else {"CUDA_VISIBLE_DEVICES": text}
    assert local_gpus.named(environment) == entries


@pytest.mark.parametrize(
    ("environment", "typed"),
    [
        ({}, ""),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, "CUDA_VISIBLE_DEVICES=0,1 "),
        ({"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES='' "),
        ({"CUDA_VISIBLE_DEVICES": "0, 1"}, "CUDA_VISIBLE_DEVICES='0, 1' "),
    ],
)
def test_a_command_to_paste_chooses_the_same_gpus(environment: dict[str, str], typed: str) -> None:
    assert local_gpus.as_typed(environment) == typed


def test_gpus_and_their_parts_are_read_from_what_the_driver_lists() -> None:
    first, second = local_gpus.read(LISTED)
    assert (first.index, first.parts) == ("0", ("MIG-aaaa-0000", "MIG-bbbb-1111"))
    assert (second.uuid, second.parts) == ("GPU-7d01e1f0-aaaa", ())
    assert first.answers_to("0")
    assert first.answers_to("GPU-5c89")
    assert first.answers_to("MIG-bbbb-1111")
    assert not first.answers_to("1")
    assert local_gpus.read("No devices were found\n") == ()


def test_gpus_of_different_kinds_are_not_advised_to_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    first, second = local_gpus.read(LISTED)
    assert "2 GPUs of different kinds, and the first alone" in local_gpus.hint((first, second))
    assert "CUDA_VISIBLE_DEVICES=0,0 python" in local_gpus.hint((first, first))
    assert local_gpus.hint((first,)) == ""


def test_each_part_of_a_gpu_gets_a_lane_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-aaaa-0000,MIG-bbbb-1111")
    assert local_gpus.lanes() == (Lane("MIG-aaaa-0000", 0, 2), Lane("MIG-bbbb-1111", 1, 2))


def test_parts_are_looked_for_among_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(tmp_path, monkeypatch, f"cat <<'END'\n{LISTED}END")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-aaaa-0000,MIG-bbbb-1111")
    local_gpus.require_there()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-aaaa-0000,MIG-cccc-2222")
    with pytest.raises(NoHostError, match="names GPU MIG-cccc-2222, which this machine does not"):
        local_gpus.require_there()


def test_gpus_that_differ_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(tmp_path, monkeypatch, f"cat <<'END'\n{LISTED}END")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(NoHostError, match=r"GPUs that differ \(NVIDIA A100-SXM4-40GB and Tesla T4"):
        local_gpus.require_there()


@pytest.mark.parametrize("entries", ["0", "0,1"])
def test_a_driver_whose_tool_fails_leaves_it_to_cuda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: str
) -> None:
    """As where versions of NVML differ, which CUDA does not need, or where another GPU is lost."""
    smi(tmp_path, monkeypatch, "echo 'Failed to initialize NVML' >&2; exit 18")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", entries)
    local_gpus.require_there()


def test_a_driver_without_gpus_leaves_one_entry_to_the_cpu_and_refuses_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(tmp_path, monkeypatch, "echo No devices were found")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    local_gpus.require_there()
    assert local_gpus.count() == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(NoHostError, match=r"names GPU 0 and 1, which .* there is none"):
        local_gpus.require_there()


def test_a_driver_that_hangs_counts_as_one_without_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(local_gpus, "_LIMIT_S", 0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["nvidia-smi", "-L"], check=False, timeout=0.2)
    assert local_gpus.listed() == ()

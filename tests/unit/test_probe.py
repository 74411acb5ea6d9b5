from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.diagnosis.diagnosis import Gpu
from orchestrator.hosts import local, probe

V100 = Gpu("0", "GPU-1", "Tesla V100-SXM2-16GB", "535.183.01", "7.0")
ROW = "0, GPU-1, Tesla V100-SXM2-16GB, 535.183.01"


def ask(folder: Path, nvidia_smi: str | None, root: str = "/") -> probe.Probe:
    """Run the script with a planted nvidia-smi, or none, and read what it prints."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("sh", "sed", "head", "df", "awk", "timeout", "printf", "cat"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    if nvidia_smi is not None:
        planted = tools / "nvidia-smi"
        planted.write_text(f"#!/bin/sh\n{nvidia_smi}\n")
        planted.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-s"],
        input=probe.script(root),
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    found = probe.read(f"Welcome!\n{done.stdout}")
    assert found is not None
    return found


def test_a_gpu_is_read_with_driver_and_capability(tmp_path: Path) -> None:
    found = ask(tmp_path, f"echo '{ROW}, 7.0'")
    assert found.gpus == (V100,)
    assert found.driver_fault == ""
    assert found.free_bytes is not None
    assert found.boot == local.boot_id()
    assert not found.toolkit


def test_an_old_driver_that_knows_no_capability_is_asked_without(tmp_path: Path) -> None:
    found = ask(tmp_path, f"case $* in *compute_cap*) exit 2;; esac; echo '{ROW}'")
    assert found.gpus == (Gpu("0", "GPU-1", "Tesla V100-SXM2-16GB", "535.183.01", None),)


def test_what_a_failing_driver_says_is_kept(tmp_path: Path) -> None:
    found = ask(tmp_path, "echo 'No devices were found'; echo more; exit 6")
    assert found.gpus == ()
    assert found.driver_fault == "No devices were found"


def test_a_host_without_driver_says_so(tmp_path: Path) -> None:
    assert "nvidia-smi is missing" in ask(tmp_path, None).driver_fault


def test_a_folder_that_cannot_be_seen_leaves_its_disk_unknown(tmp_path: Path) -> None:
    assert ask(tmp_path, None, root=f"{tmp_path}/it's not there").free_bytes is None


@pytest.mark.parametrize("text", ["gpu nonsense\nend", "free much\nend\n", "end"])
def test_nonsense_is_no_knowledge(text: str) -> None:
    assert probe.read(text) == probe.Probe((), "", toolkit=False, free_bytes=None)


@pytest.mark.parametrize("text", ["", "This account is not available.\n", "smi\n"])
def test_a_shell_that_does_not_serve_tells_nothing(text: str) -> None:
    assert probe.read(text) is None

"""A driver that fails where GPUs are hidden is no reason not to measure the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.devices import presence


def no_gpu() -> None:
    raise RuntimeError("No CUDA GPUs are available")


@pytest.fixture
def lost_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A build for CUDA beside a loaded kernel module whose driver says that there is no GPU."""
    (tmp_path / "version").touch()
    monkeypatch.setattr(presence, "_KERNEL_MODULE", tmp_path / "version")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", no_gpu)
    return monkeypatch


@pytest.mark.parametrize("value", ["", "-1", "-2", "NoDevFiles"])
def test_a_driver_is_not_asked_where_every_gpu_is_hidden(
    lost_gpu: pytest.MonkeyPatch, value: str
) -> None:
    lost_gpu.setenv("CUDA_VISIBLE_DEVICES", value)
    presence.refuse_broken_driver()


@pytest.mark.parametrize("value", [None, "0"])
def test_a_gpu_that_fell_off_the_bus_is_refused(
    lost_gpu: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        lost_gpu.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        lost_gpu.setenv("CUDA_VISIBLE_DEVICES", value)
    with pytest.raises(RuntimeError, match="No CUDA GPUs"):
        presence.refuse_broken_driver()

"""Which values of CUDA_VISIBLE_DEVICES leave a program no GPU, and that both sides say so."""

from __future__ import annotations

import pytest

from harness.contract.visible_gpus import hides_every_gpu
from orchestrator.hosts import local_gpus


@pytest.mark.parametrize(
    "value", ["", " ", "-1", " -1 ", "-2", "-1,0", "NoDevFiles", " NoDevFiles "]
)
def test_nothing_is_left(value: str) -> None:
    assert hides_every_gpu(value)
    assert local_gpus.named({"CUDA_VISIBLE_DEVICES": value}) == ()


@pytest.mark.parametrize("value", [None, "0", "0,-1", "1,0", "GPU-5c89852c", "MIG-aaaa-0000"])
def test_something_is_left(value: str | None) -> None:
    assert not hides_every_gpu(value)
    assert local_gpus.named({} if value is None else {"CUDA_VISIBLE_DEVICES": value}) != ()

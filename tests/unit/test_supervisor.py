from __future__ import annotations

import pytest

from harness.contract.records import Device
from harness.devices import architectures
from tests import factories

V100 = Device(type="cuda", name="Tesla V100-SXM2-16GB", capability="7.0")
CU132 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def test_a_gpu_that_this_torch_has_no_code_for_is_refused_with_the_build_that_has() -> None:
    found = factories.environment(device=V100, torch="2.15.0+cu132", torch_arch_list=CU132)
    complaint = architectures.unfit(found)
    assert "Tesla V100" in complaint
    assert "cu126" in complaint


@pytest.mark.parametrize(
    "changes",
    [
        {"device": V100, "torch_arch_list": ("sm_70", "sm_75")},
        {"device": Device(type="cpu", name="a CPU"), "torch_arch_list": ()},
        {"device": V100, "torch_cuda": None, "torch_arch_list": ("gfx942",)},
    ],
    ids=["its own build", "a CPU", "no CUDA build"],
)
def test_everything_else_is_measured(changes: dict[str, object]) -> None:
    assert architectures.unfit(factories.environment(**changes)) == ""

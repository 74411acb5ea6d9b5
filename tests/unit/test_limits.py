from __future__ import annotations

import pytest

from harness.limits import Limits, runs_on
from harness.records import Device
from tests import factories


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        (("sm_70", "sm_75"), "7.0", True),
        (("sm_75", "sm_80"), "7.0", False),  # a V100 with a current build
        (("sm_80",), "8.6", True),  # machine code runs on a higher minor version
        (("sm_86",), "8.0", False),
        (("sm_90",), "12.0", False),
        (("sm_90", "compute_90"), "12.0", True),  # PTX is compiled for what is newer
        (("sm_90a",), "9.0", True),
        ((), "8.0", False),
    ],
)
def test_a_build_runs_where_nvidia_says_it_does(
    architectures: tuple[str, ...], capability: str, runs: bool
) -> None:
    assert runs_on(architectures, capability) is runs


def test_a_cpu_is_no_stand_in_for_a_gpu_that_was_asked_for() -> None:
    cpu = factories.environment(device=Device(type="cpu", name="EPYC"))
    assert "sees no GPU" in Limits(require_gpu=True).objection(cpu)
    assert Limits().objection(cpu) == ""


def test_a_gpu_that_torch_was_not_built_for_is_named() -> None:
    old = factories.environment(torch_arch_list=("sm_75", "sm_80"), device=Device(
        type="cuda", name="Tesla V100", capability="7.0"
    ))  # fmt: skip
    told = Limits(require_gpu=True).objection(old)
    assert "Tesla V100 has compute capability 7.0" in told
    assert Limits(require_gpu=True).objection(factories.environment()) == ""

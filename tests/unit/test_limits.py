from __future__ import annotations

from harness.contract.records import Device
from harness.limits import Limits
from tests import factories


def test_a_cpu_is_no_stand_in_for_a_gpu_that_was_asked_for() -> None:
    cpu = factories.environment(device=Device(type="cpu", name="EPYC"))
    assert "sees no GPU" in Limits(require_gpu=True).objection(cpu)
    assert Limits().objection(cpu) == ""
    assert Limits(require_gpu=True).objection(factories.environment()) == ""

"""A fake GPU that falls off the bus, or hangs."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.gpu.conftest import Factory
from tests.gpu.fake_scripts import end, nvidia_smi, run, start


def test_a_gpu_falls_off_the_bus_in_mid_case_and_stays_lost(fake_machine: Factory) -> None:
    machine = fake_machine(lost_after=200)
    script = """
        import torch
        x = torch.empty(10, device="cuda")
        def work():
            for _ in range(1000):
                x.sin_()
            torch.cuda.synchronize()
        tell(first=error_of(work), again=error_of(torch.cuda.synchronize))
    """
    found = run(machine, script)
    assert "unspecified launch failure" in found["first"]
    assert "unspecified launch failure" in found["again"]
    assert machine.launches() < 250
    assert nvidia_smi(machine, "-L") == (255, "Failed to initialize NVML: Unknown Error")
    new = """
        import pynvml
        tell(driver=driver().cuInit(0), nvml=error_of(pynvml.nvmlInit))
    """
    assert run(machine, new) == {"driver": 999, "nvml": "NVMLError_Unknown: Unknown Error"}
    machine.restore()
    assert run(machine, new) == {"driver": 0, "nvml": ""}


def test_of_two_gpus_one_can_be_lost(fake_machine: Factory) -> None:
    machine = fake_machine(gpus=2)
    machine.lose(1)
    script = """
        import pynvml
        pynvml.nvmlInit()
        tell(driver=driver().cuInit(0),
             nvml=[error_of(lambda: pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(2)])
    """
    assert run(machine, script)["driver"] == 999
    found = run(machine, script, CUDA_VISIBLE_DEVICES="0")
    assert found == {"driver": 0, "nvml": ["", "NVMLError_GpuIsLost: GPU is lost"]}
    code, said = nvidia_smi(machine, "-L")
    assert code == 15
    assert "GPU is lost" in said


def test_a_gpu_hangs_until_the_process_is_killed_or_the_gpu_is_lost(fake_machine: Factory) -> None:
    machine = fake_machine(hang_after=50)
    waiting = start(
        machine,
        """
        import torch
        x = torch.empty(10, device="cuda")
        tell(begun=True)
        def work():
            for _ in range(100):
                x.sin_()
            torch.cuda.synchronize()
        tell(error=error_of(work))
        """,
    )
    assert waiting.stdout is not None
    assert json.loads(waiting.stdout.readline()) == {"begun": True}
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1.5)
    machine.lose()
    assert "unspecified launch failure" in end(waiting)["error"]

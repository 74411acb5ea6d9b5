from __future__ import annotations

import dataclasses

import pytest

from orchestrator.diagnosis import local_diagnosis
from orchestrator.diagnosis.checks import Check
from orchestrator.diagnosis.diagnosis import Gpu
from orchestrator.diagnosis.local_diagnosis import LocalFacts
from orchestrator.diagnosis.torch_builds import Build

V100 = Gpu("0", "GPU-v", "Tesla V100-SXM2-16GB", "580.65", "7.0")
GOOD = LocalFacts(
    packages={"torch": "2.14.1+cu126", "transformers": "5.17.0", "PIL": "11.3.0"},
    build=Build("2.14.1", "cu126"),
    compiler="/usr/bin/g++",
    missing_headers="",
    gpus=(V100,),
)


def lines(**changes: object) -> dict[str, Check]:
    found = local_diagnosis.diagnose(dataclasses.replace(GOOD, **changes))  # type: ignore[arg-type]
    return {check.subject: check for check in found}


def test_a_machine_with_everything_has_only_good_lines() -> None:
    assert {check.state for check in lines().values()} == {"good"}
    assert len(lines()) == 5


@pytest.mark.parametrize(
    ("changes", "subject", "mend"),
    [
        ({"packages": {"torch": None, "PIL": "11.3.0"}}, "Python packages", "pip install -e"),
        ({"compiler": None}, "C++ compiler", "g++"),
        ({"missing_headers": "/usr/include/python3.11"}, "Python headers", "python3-dev"),
        ({"build": Build("2.13.0", "cu130")}, "Compute capability", "torch==2.14.1 --index-url"),
        ({"build": Build("2.13.0", "cpu")}, "GPU and driver", "torch==2.14.1 --index-url"),
    ],
)
def test_each_fault_comes_with_what_mends_it(
    changes: dict[str, object], subject: str, mend: str
) -> None:
    check = lines(**changes)[subject]
    assert check.state == "bad"
    assert mend in check.mend


def test_a_machine_without_gpu_measures_its_cpu() -> None:
    check = lines(gpus=(), driver_fault="nvidia-smi is missing")["GPU and driver"]
    assert check.state == "unknown"
    assert "the CPU is measured" in check.found


def test_a_driver_is_told_where_torch_is_missing() -> None:
    assert "580.65" in lines(build=None)["GPU and driver"].found

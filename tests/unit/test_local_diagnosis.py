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


@pytest.mark.parametrize(
    ("fault", "state", "said", "mend"),
    [
        ("Unable to determine the handle for GPU0: GPU is lost. Reboot", "bad", "lost", "reboot"),
        ("Failed to initialize NVML: Unknown Error", "unknown", "or it is lost", "reboot"),
        ("Driver/library version mismatch: NVML", "unknown", "may see a GPU", "reboot"),
        ("Failed to initialize NVML: Insufficient Permissions", "unknown", "may see a GPU", ""),
        ("NVIDIA-SMI couldn't find libnvidia-ml.so library", "unknown", "may see a GPU", ""),
    ],
)
def test_a_tool_that_fails_is_not_taken_for_a_machine_without_a_gpu(
    fault: str, state: str, said: str, mend: str
) -> None:
    check = lines(gpus=(), driver_fault=fault)["GPU and driver"]
    assert (check.state, said in check.found) == (state, True)
    assert (mend in check.mend) if mend else not check.mend
    assert "the CPU is measured" not in check.found


def test_a_machine_without_gpu_measures_its_cpu() -> None:
    check = lines(gpus=(), driver_fault="nvidia-smi is missing")["GPU and driver"]
    assert check.state == "unknown"
    assert "the CPU is measured" in check.found


def test_a_driver_is_told_where_torch_is_missing() -> None:
    assert "580.65" in lines(build=None)["GPU and driver"].found


T4 = Gpu("1", "GPU-t", "Tesla T4", "580.65", "7.5")


def test_gpus_that_share_the_cases_are_all_judged_and_must_be_alike() -> None:
    other = dataclasses.replace(V100, index="1", uuid="GPU-w")
    both = lines(gpus=(V100, other), wanted=("0", "GPU-w"))
    assert both["Several GPUs"] == Check("Several GPUs", "good", "2 share the cases")
    unlike = lines(gpus=(V100, T4), wanted=("0", "1"))["Several GPUs"]
    assert (unlike.state, "cannot share" in unlike.found) == ("bad", True)
    second = lines(gpus=(V100, T4), wanted=("1",), build=Build("2.14.1", "cu126"))
    assert "T4" in second["GPU and driver"].found
    assert "Several GPUs" not in second


def test_gpus_that_stay_idle_are_told_with_how_they_could_share() -> None:
    other = dataclasses.replace(V100, index="1", uuid="GPU-w")
    assert lines(gpus=(V100, other))["Several GPUs"].mend == "export CUDA_VISIBLE_DEVICES=0,1"
    unlike = lines(gpus=(V100, T4))["Several GPUs"]
    assert "2 of different kinds" in unlike.found
    assert unlike.state == "unknown"


def test_a_machine_whose_gpus_are_named_and_absent_cannot_measure() -> None:
    check = lines(gpus=(), driver_fault="no driver", wanted=("0", "1"))["GPU and driver"]
    assert (check.state, check.mend[:26]) == ("bad", "unset CUDA_VISIBLE_DEVICES")
    assert lines(gpus=(), wanted=("0",))["GPU and driver"].state == "unknown"
    parts = lines(wanted=("MIG-a", "MIG-b"))["GPU and driver"]
    assert parts.state == "unknown"

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.diagnosis import checks, diagnosis
from orchestrator.diagnosis.checks import Check, Examined
from orchestrator.diagnosis.diagnosis import Facts, Fault, Gpu
from orchestrator.diagnosis.torch_builds import Build

PORTABLE = Build("2.14.1", "cu126")
CURRENT = Build("2.15.0", "cu132")
A100 = Gpu("0", "GPU-a", "NVIDIA A100-SXM4-40GB", "580.95.05", "8.0")
V100 = Gpu("1", "GPU-v", "Tesla V100-SXM2-16GB", "535.183.01", "7.0")
GOOD = Facts(
    address="ssh://ubuntu@a100",
    ssh=True,
    wanted=("0",),
    build=PORTABLE,
    reached=True,
    engine="28.1.0",
    gpu_runtime=True,
    gpus=(A100, V100),
    free_bytes=100 << 30,
    skew_s=0.2,
)


def lines(**changes: object) -> dict[str, Check]:
    found = diagnosis.diagnose(dataclasses.replace(GOOD, **changes))  # type: ignore[arg-type]
    return {check.subject: check for check in found}


def bad(found: dict[str, Check]) -> list[str]:
    return [subject for subject, check in found.items() if check.state == "bad"]


def usable(found: dict[str, Check]) -> bool:
    return Examined("a100", "", tuple(found.values())).usable


def test_a_host_with_everything_is_usable() -> None:
    found = lines()
    assert list(found) == [
        "SSH", "Docker engine", "NVIDIA runtime", "GPU and driver", "Compute capability",
        "Free disk", "Image", "Clock",
    ]  # fmt: skip
    assert bad(found) == []
    assert usable(found)
    driver = found["GPU and driver"].found
    assert driver == "A100-SXM4-40GB, driver 580.95.05, enough for CUDA 12.6"


def test_nothing_is_said_of_what_lies_behind_a_refused_connection() -> None:
    fault = Fault("Host key verification failed.", "ssh-keygen -R a100")
    found = lines(fault=fault, reached=False)
    assert found == {"SSH": Check("SSH", "bad", fault.sentence, fault.advice)}


def test_a_dead_engine_behind_a_good_connection_is_the_engines_fault() -> None:
    found = lines(fault=Fault("no engine listens", "sudo systemctl start docker"))
    assert bad(found) == ["Docker engine"]
    assert found["SSH"].state == "good"


@pytest.mark.parametrize(
    ("changes", "subject", "mend"),
    [
        ({"gpu_runtime": False}, "NVIDIA runtime", "nvidia-container-toolkit"),
        ({"driver_fault": "No devices were found"}, "GPU and driver", "nvidia-driver"),
        ({"wanted": ("2",)}, "GPU and driver", "nvidia-smi -L"),
        ({"wanted": ("1",), "build": CURRENT}, "GPU and driver", "nvidia-driver-580-server"),
        ({"wanted": ("GPU-v",), "build": CURRENT}, "Compute capability", "TORCH_VERSION=2.14.1"),
        ({"free_bytes": 3 << 30}, "Free disk", "docker system prune"),
    ],
)
def test_each_fault_comes_with_what_mends_it(
    changes: dict[str, object], subject: str, mend: str
) -> None:
    found = lines(**changes)
    assert subject in bad(found)
    assert mend in found[subject].mend
    assert not usable(found)


def test_a_gpu_too_old_for_triton_has_no_image() -> None:
    old = Gpu("0", "GPU-p", "Tesla P100", "535.1", "6.0")
    check = lines(gpus=(old,))["Compute capability"]
    assert check.state == "bad"
    assert check.found == "6.0; torch.compile needs 7.0 or newer"


def test_an_image_that_is_there_needs_no_room() -> None:
    found = lines(free_bytes=3 << 30, image_bytes=6 << 30)
    assert bad(found) == []
    assert found["Image"].found.replace("\N{NO-BREAK SPACE}", " ") == "here, 6.00 GiB"


def test_a_torch_that_no_hash_verifies_is_named() -> None:
    assert "make lock-torch" in lines(torch_lock="")["Image"].found
    assert "make lock-torch" in lines(torch_lock="", image_bytes=6 << 30)["Image"].found
    assert "hash" not in lines(torch_lock="torch-2.15.0.txt")["Image"].found


def test_what_cannot_be_learnt_is_neither_right_nor_wrong() -> None:
    found = lines(ssh=False, gpus=None, gpu_runtime=None, free_bytes=None, skew_s=None)
    unknown = [subject for subject, check in found.items() if check.state == "unknown"]
    assert unknown == ["NVIDIA runtime", "GPU and driver", "Free disk", "Image", "Clock"]
    assert usable(found)


def test_a_wrong_clock_is_named_and_does_not_stop_a_run() -> None:
    found = lines(skew_s=-3600.0)
    assert found["Clock"].found == "3600 s behind this machine"
    assert "set-ntp" in found["Clock"].mend
    assert usable(found)


def test_a_host_measured_on_its_cpu_needs_no_driver() -> None:
    found = lines(wanted=(), driver_fault="nvidia-smi is missing", gpu_runtime=False)
    assert bad(found) == []
    assert "GPU and driver" not in found


def test_a_part_of_a_gpu_cannot_be_looked_up() -> None:
    assert lines(wanted=("MIG-1",))["GPU and driver"].state == "unknown"


@pytest.mark.parametrize(
    ("hosts", "code"), [(("good", "good"), 0), (("good", "bad"), 1), (("bad", "bad"), 3)]
)
def test_the_exit_code_counts_usable_hosts(hosts: tuple[str, ...], code: int) -> None:
    examined = [Examined("", "", (Check("SSH", state, ""),)) for state in hosts]  # type: ignore[arg-type]
    assert checks.exit_code(examined) == code

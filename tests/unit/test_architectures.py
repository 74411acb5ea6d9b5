from __future__ import annotations

import pytest

from harness.devices.architectures import Capability, complaint, runs

CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CU132 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


@pytest.mark.parametrize(
    ("capability", "arch_list", "expected"),
    [
        ((7, 0), CU126, True),
        ((7, 0), CU132, False),
        ((7, 5), CU132, True),
        ((8, 0), CU132, True),
        ((8, 9), CU132, True),  # an L4 runs what was built for 8.6
        ((9, 0), CU132, True),
        ((12, 0), CU132, True),
        ((12, 0), CU126, False),
        ((12, 0), (*CU126, "compute_90"), True),
        ((8, 0), ("sm_86",), False),
        ((9, 0), ("sm_90a",), True),
        ((10, 3), ("sm_100f",), True),
        ((10, 3), ("sm_100a",), False),
        ((12, 1), ("sm_121a", "compute_120"), True),
        ((8, 0), (), False),
        ((8, 0), ("gfx942",), False),
    ],
)
def test_code_runs_on_its_own_generation_and_intermediate_code_on_newer_ones(
    capability: Capability, arch_list: tuple[str, ...], expected: bool
) -> None:
    assert runs(capability, arch_list) is expected


def test_a_v100_is_sent_to_the_last_build_that_serves_it() -> None:
    said = complaint("Tesla V100-SXM2-16GB", (7, 0), "2.15.0+cu132", CU132)
    assert said.startswith("torch 2.15.0+cu132 has no code for the Tesla V100-SXM2-16GB")
    assert "cu126" in said
    assert "2.14" in said


def test_a_blackwell_with_an_old_build_is_sent_to_a_newer_one() -> None:
    assert "cu130" in complaint("NVIDIA B200", (10, 0), "2.13.0+cu126", CU126)


def test_a_gpu_that_triton_cannot_serve_is_told_so() -> None:
    assert "choose another GPU" in complaint("Tesla P100", (6, 0), "2.13.0", CU132)


def test_a_build_that_fits_is_no_complaint() -> None:
    assert complaint("Tesla T4", (7, 5), "2.13.0", CU132) == ""


def test_a_build_that_does_not_say_what_it_is_for_is_no_complaint() -> None:
    assert complaint("Tesla T4", (7, 5), "2.13.0", ()) == ""

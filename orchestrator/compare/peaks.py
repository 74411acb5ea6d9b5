"""What GPUs could compute at most, as their makers say, and the share that a model used (pure).

Dense arithmetic, without structured sparsity, at the boost clock, from NVIDIA's white papers and
data sheets. A GPU is listed only where its name leaves no doubt which figures are its own: a MIG
slice, a laptop part or a cloud's special edition is not. Real clocks are lower under load, so a
utilisation of 100 % is out of reach.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from harness.contract.records import Device
from harness.contract.vocabulary import Precision

TERA: Final = 1e12
# The first architecture with TF32 is Ampere, compute capability 8.0.
FIRST_WITH_TF32: Final = 8


@dataclass(frozen=True, slots=True)
class Peak:
    """10^12 floating-point operations per second, two per multiply-add; None: no such unit.

    `float32` is IEEE arithmetic outside of tensor cores; the others are tensor cores that add up
    in float32.
    """

    name: str
    float32: float
    tf32: float | None
    float16: float
    bfloat16: float | None
    source: str


PEAKS: Final = (
    Peak(r"V100-SXM2-(16|32)GB", 15.7, None, 125.0, None, "V100 data sheet"),
    Peak(r"V100-PCIE-(16|32)GB", 14.0, None, 112.0, None, "V100 data sheet"),
    Peak(r"T4", 8.1, None, 65.0, None, "T4 data sheet"),
    Peak(
        r"A100(-SXM4-(40|80)GB|-PCIE-40GB| 80GB PCIe)", 19.5, 156.0, 312.0, 312.0,
        "A100 data sheet",
    ),
    Peak(r"A10", 31.2, 62.5, 125.0, 125.0, "A10 data sheet"),
    Peak(r"L4", 30.3, 60.0, 121.0, 121.0, "L4 data sheet, half of the figures with sparsity"),
    Peak(r"L40S", 91.6, 183.0, 362.0, 362.0, "L40S data sheet"),
    Peak(r"H100 80GB HBM3", 66.9, 494.7, 989.4, 989.4, "H100 white paper, SXM5"),
    Peak(r"H100 PCIe", 51.2, 378.0, 756.0, 756.0, "H100 white paper, PCIe"),
    Peak(r"H200", 66.9, 494.7, 989.4, 989.4, "H200 data sheet: the same chip as H100 SXM5"),
    Peak(r"GeForce RTX 3090", 35.6, 35.6, 71.0, 71.0, "GA102 white paper"),
    Peak(r"GeForce RTX 4090", 82.6, 82.6, 165.2, 165.2, "Ada white paper"),
)  # fmt: skip


def peak_flops(device: Device, precision: Precision) -> float | None:
    """Operations per second that this device reaches at most in this arithmetic.

    None where the device is not listed, and for PyTorch's own `float32` from Ampere on: there
    convolutions run in TF32 and matrix products do not, so no one figure is the limit.
    """
    found = _find(device)
    if found is None:
        return None
    match precision:
        case "float32":
            peak = None if _has_tf32(device) else found.float32
        case "ieee":
            peak = found.float32
        case "tf32":
            peak = found.tf32
        case "float16":
            peak = found.float16
        case "bfloat16":
            peak = found.bfloat16
    return None if peak is None else peak * TERA


def _find(device: Device) -> Peak | None:
    if device.type != "cuda":
        return None
    name = re.sub(r"^(NVIDIA |Tesla )+", "", device.name)
    return next((peak for peak in PEAKS if re.fullmatch(peak.name, name)), None)


def _has_tf32(device: Device) -> bool:
    major = (device.capability or "").partition(".")[0]
    return not major.isdigit() or int(major) >= FIRST_WITH_TF32

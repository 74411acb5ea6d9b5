"""Whether a build of PyTorch has code for a GPU, and which build does (pure).

A build lists what it was compiled for: `sm_80` is machine code, which runs on its own generation
from that minor version on; `compute_80` is intermediate code, which the driver can translate for
anything newer. A suffix `a` ties code to one exact GPU, `f` to a family.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from harness.contract.records import Environment

Capability: TypeAlias = tuple[int, int]

_ENTRY: Final = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")
# Inductor's Triton needs it ("GPUTooOldForTriton").
OLDEST_FOR_INDUCTOR: Final[Capability] = (7, 0)
# The oldest of the CUDA 13 builds; older GPUs are served by cu126, last built for torch 2.14.
OLDEST_FOR_CUDA_13: Final[Capability] = (7, 5)


def runs(capability: Capability, arch_list: Sequence[str]) -> bool:
    """Whether any of the listed code runs on a GPU of this compute capability."""
    return any(_runs(capability, entry) for entry in arch_list)


def unfit(environment: Environment) -> str:
    """Why the build of torch of an environment cannot use its GPU; empty if it can, or on a CPU."""
    device = environment.device
    if device.capability is None or environment.torch_cuda is None:
        return ""
    major, _, minor = device.capability.partition(".")
    return complaint(
        device.name, (int(major), int(minor)), environment.torch, environment.torch_arch_list
    )


def complaint(device: str, capability: Capability, torch: str, arch_list: Sequence[str]) -> str:
    """One sentence about a GPU that this build has no code for, and advice; empty if it has.

    A build that does not say what it was compiled for is given the benefit of the doubt.
    """
    if not arch_list or runs(capability, arch_list):
        return ""
    major, minor = capability
    return (
        f"torch {torch} has no code for the {device} (compute capability {major}.{minor}; "
        f"it has {', '.join(arch_list)}): {_advice(capability)}"
    )


def _advice(capability: Capability) -> str:
    if capability < OLDEST_FOR_INDUCTOR:
        return "torch.compile needs 7.0 or newer, so no build helps: choose another GPU"
    if capability < OLDEST_FOR_CUDA_13:
        return "install a build for CUDA 12.6 (cu126), which exists up to torch 2.14"
    return "install a build for CUDA 13.0 or newer (cu130, cu132)"


def _runs(capability: Capability, entry: str) -> bool:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        return False
    kind, suffix = found[1], found[4]
    built_for = int(found[2]), int(found[3])
    if suffix == "a":
        return capability == built_for
    if kind == "compute" and not suffix:
        return capability >= built_for
    return capability[0] == built_for[0] and capability >= built_for

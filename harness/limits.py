"""What a harness may do and must find beyond its plan: it depends on the host, not on the cases."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from harness.records import Environment, Failure
from harness.vocabulary import Stage


@dataclass(frozen=True, slots=True)
class Limits:
    """`run_s` ends the whole run, so that a harness whose desk is gone ends by itself."""

    run_s: float = math.inf
    require_gpu: bool = False
    _start_s: float = field(default_factory=time.monotonic)

    @property
    def deadline_s(self) -> float:
        """The end of the run on the monotonic clock."""
        return self._start_s + self.run_s

    def passed(self, case_id: str | None, stage: Stage | None) -> Failure:
        """The record of a run or of a case that the deadline ended."""
        message = f"ended after {self.run_s:.0f} s, the time limit of the whole run"
        return Failure(case_id=case_id, stage=stage, reason="timeout", message=message)

    def objection(self, environment: Environment) -> str:
        """Why this machine must not measure; empty if it may."""
        device, torch = environment.device, f"PyTorch {environment.torch}"
        if not self.require_gpu:
            return ""
        if device.type == "cpu":
            return (
                f"{torch} sees no GPU in this container, and a CPU was not asked for: the driver "
                "may be older than its CUDA needs (525 for CUDA 12, 580 for CUDA 13)"
            )
        if device.capability and not runs_on(environment.torch_arch_list, device.capability):
            return (
                f"{torch} is built for {', '.join(environment.torch_arch_list)}, and "
                f"{device.name} has compute capability {device.capability}: build the image with "
                "a PyTorch for it (the Dockerfile names two flavours)"
            )
        return ""


def runs_on(architectures: tuple[str, ...], capability: str) -> bool:
    """Whether code for these architectures runs on a GPU of this compute capability.

    Machine code (sm_86) runs on the same major version and an equal or higher minor one; PTX
    (compute_90) on everything newer. CUDA C++ Programming Guide, "Application Compatibility".
    """
    major, minor = map(int, capability.split("."))
    for architecture in architectures:
        kind, _, digits = architecture.partition("_")
        version = digits.rstrip("af")
        if not version.isdigit():
            continue
        built = (int(version[:-1]), int(version[-1]))
        if kind == "compute" and built <= (major, minor):
            return True
        if kind == "sm" and built[0] == major and built[1] <= minor:
            return True
    return False

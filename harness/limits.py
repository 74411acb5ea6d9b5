"""What a harness may do and must find beyond its plan: it depends on the host, not on the cases."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from harness.contract.records import Environment, Failure
from harness.contract.vocabulary import Stage


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
        if not self.require_gpu or environment.device.type != "cpu":
            return ""
        return (
            f"PyTorch {environment.torch} sees no GPU here, and a CPU was not asked "
            "for: the driver may be older than its CUDA needs (525 for CUDA 12, 580 for CUDA 13)"
        )

"""What is known of this machine, without Docker -> whether it can measure (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.diagnosis.checks import Check
from orchestrator.diagnosis.diagnosis import Gpu, gpu_checks
from orchestrator.diagnosis.torch_builds import Build

_INSTALL: Final = 'python -m pip install -e ".[local]"'
_COMPILER: Final = "sudo apt-get install -y g++   # or set CXX"
_HEADERS: Final = "sudo apt-get install -y python3-dev"


@dataclass(frozen=True, slots=True)
class LocalFacts:
    """What could be learnt of this machine.

    `packages` has the version of each package that measuring needs, None where it is missing.
    `headers` is the folder that lacks Python.h, empty if none does.
    """

    packages: Mapping[str, str | None]
    build: Build | None
    compiler: str | None
    missing_headers: str
    gpus: tuple[Gpu, ...]
    driver_fault: str = ""


def diagnose(facts: LocalFacts) -> tuple[Check, ...]:
    """Judge this machine."""
    return (_packages(facts), _compiler(facts), _headers(facts), *_gpus(facts))


def _packages(facts: LocalFacts) -> Check:
    subject = "Python packages"
    missing = [name for name, installed in facts.packages.items() if installed is None]
    if missing:
        return Check(subject, "bad", f"{wording.listed(missing)} not installed", _INSTALL)
    found = (f"{name} {installed}" for name, installed in facts.packages.items())
    return Check(subject, "good", ", ".join(found))


def _compiler(facts: LocalFacts) -> Check:
    subject = "C++ compiler"
    if facts.compiler is None:
        return Check(subject, "bad", "none, and torch.compile needs one", _COMPILER)
    return Check(subject, "good", facts.compiler)


def _headers(facts: LocalFacts) -> Check:
    subject = "Python headers"
    if facts.missing_headers:
        return Check(subject, "bad", f"no Python.h in {facts.missing_headers}", _HEADERS)
    return Check(subject, "good", "here")


def _gpus(facts: LocalFacts) -> list[Check]:
    """The first GPU is measured; without one, or without CUDA in PyTorch, the CPU is."""
    subject = "GPU and driver"
    if not facts.gpus:
        return [Check(subject, "unknown", f"no GPU ({facts.driver_fault}): the CPU is measured")]
    gpu = facts.gpus[0]
    if facts.build is None:
        return [Check(subject, "unknown", f"{wording.device(gpu.name)}, driver {gpu.driver}")]
    if facts.build.tag == "cpu":
        found = f"{wording.device(gpu.name)}, but PyTorch {facts.build.label} is for the CPU"
        return [Check(subject, "bad", found, facts.build.remedy_here(gpu.capability or "8.0"))]
    return gpu_checks([gpu], facts.build, facts.build.remedy_here)

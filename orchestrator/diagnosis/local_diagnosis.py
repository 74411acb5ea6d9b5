"""What is known of this machine, without Docker -> whether it can measure (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.contract.visible_gpus import VARIABLE
from orchestrator import wording
from orchestrator.diagnosis.checks import Check
from orchestrator.diagnosis.diagnosis import Fault, Gpu, gpu_checks
from orchestrator.diagnosis.torch_builds import Build

_INSTALL: Final = 'python -m pip install -e ".[local]"'
_COMPILER: Final = "sudo apt-get install -y g++   # or set CXX"
_SUBJECT: Final = "GPU and driver"
_RESTART: Final = "sudo reboot   # or restart the container; dmesg may tell why (Xid)"
# NVML is not what CUDA uses: PyTorch may measure where its tool fails.
_NVML_FAILS: Final = ("NVML", "nvidia-ml")
# How it fails where a GPU, or a container's way to it, is gone, or a driver was replaced meanwhile.
_GONE: Final = ("Unknown Error", "mismatch")
_HEADERS: Final = "sudo apt-get install -y python3-dev"


@dataclass(frozen=True, slots=True)
class LocalFacts:
    """What could be learnt of this machine.

    `packages` has the version of each package that measuring needs, None where it is missing.
    `headers` is the folder that lacks Python.h, empty if none does. `wanted` are the entries of
    CUDA_VISIBLE_DEVICES, None where it is not set; `unreadable` is why it cannot be meant as it is.
    """

    packages: Mapping[str, str | None]
    build: Build | None
    compiler: str | None
    missing_headers: str
    gpus: tuple[Gpu, ...]
    driver_fault: str = ""
    wanted: tuple[str, ...] | None = None
    unreadable: Fault | None = None


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
    """Those that are named share the cases, else the first is measured; without one, or without
    CUDA in PyTorch, the CPU is."""
    if facts.unreadable is not None:
        return [Check(_SUBJECT, "bad", facts.unreadable.sentence, facts.unreadable.advice)]
    if facts.wanted == ():
        return [Check(_SUBJECT, "unknown", f"{VARIABLE} hides every GPU: the CPU is measured")]
    if not facts.gpus:
        return [_none(facts)]
    if any(name.startswith("MIG-") for name in facts.wanted or ()):
        return [Check(_SUBJECT, "unknown", "nvidia-smi does not describe the parts of a GPU")]
    chosen = _chosen(facts)
    absent = [name for name, gpu in chosen.items() if gpu is None]
    if absent:
        there = wording.listed([gpu.index for gpu in facts.gpus])
        found = f"no GPU {wording.listed(absent)} here, which {VARIABLE} names; there is {there}"
        return [Check(_SUBJECT, "bad", found, f"nvidia-smi -L   # then correct {VARIABLE}")]
    return _judged([gpu for gpu in chosen.values() if gpu is not None], facts)


def _none(facts: LocalFacts) -> Check:
    if "lost" in facts.driver_fault.lower():
        return Check(_SUBJECT, "bad", facts.driver_fault, _RESTART)
    if any(text in facts.driver_fault for text in _NVML_FAILS):
        found = f"nvidia-smi fails ({facts.driver_fault}); PyTorch may see a GPU all the same"
        if any(text in facts.driver_fault for text in _GONE):
            return Check(_SUBJECT, "unknown", f"{found}, or it is lost until a restart", _RESTART)
        return Check(_SUBJECT, "unknown", found)
    several = len(facts.wanted or ()) > 1
    if not several:
        found = f"no GPU ({facts.driver_fault}): the CPU is measured"
        return Check(_SUBJECT, "unknown", found)
    found = f"no GPU ({facts.driver_fault}), and {VARIABLE} names {len(facts.wanted or ())}"
    return Check(_SUBJECT, "bad", found, f"unset {VARIABLE}   # to measure the CPU")


def _chosen(facts: LocalFacts) -> dict[str, Gpu | None]:
    """The GPUs to measure on by how they are named: by index, or by UUID, which may be short."""
    if facts.wanted is None:
        return {facts.gpus[0].index: facts.gpus[0]}
    return {
        name: next((g for g in facts.gpus if g.index == name or g.uuid.startswith(name)), None)
        for name in facts.wanted
    }


def _judged(gpus: list[Gpu], facts: LocalFacts) -> list[Check]:
    """Whether these GPUs, one at least, can measure, and share the cases if they are several."""
    checks = _fitness(gpus, facts)
    kinds = list(dict.fromkeys(wording.device(gpu.name) for gpu in gpus))
    if len(kinds) > 1:
        found = f"{wording.listed(kinds)} differ, and cannot share the cases"
        checks.append(Check("Several GPUs", "bad", found, f"export {VARIABLE}=…   # one kind"))
    elif len(gpus) > 1:
        checks.append(Check("Several GPUs", "good", f"{len(gpus)} share the cases"))
    elif facts.wanted is None and len(facts.gpus) > 1:
        checks.append(_idle(facts.gpus))
    return checks


def _idle(gpus: Sequence[Gpu]) -> Check:
    """That one of several GPUs is measured, and how those of one kind can share the cases."""
    alike = len({gpu.name for gpu in gpus}) == 1
    which = ",".join(gpu.index for gpu in gpus) if alike else "…   # of one kind"
    kinds = "" if alike else " of different kinds"
    found = f"{len(gpus)}{kinds}, and the first alone is measured; to share the cases:"
    return Check("Several GPUs", "unknown", found, f"export {VARIABLE}={which}")


def _fitness(gpus: list[Gpu], facts: LocalFacts) -> list[Check]:
    gpu = gpus[0]
    if facts.build is None:
        return [Check(_SUBJECT, "unknown", f"{wording.device(gpu.name)}, driver {gpu.driver}")]
    if facts.build.tag == "cpu":
        found = f"{wording.device(gpu.name)}, but PyTorch {facts.build.label} is for the CPU"
        return [Check(_SUBJECT, "bad", found, facts.build.remedy_here(gpu.capability or "8.0"))]
    return gpu_checks(gpus, facts.build, facts.build.remedy_here)

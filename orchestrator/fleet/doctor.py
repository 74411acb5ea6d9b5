"""Asks all hosts at once whether they can measure; starts nothing there, changes nothing.

An examination is given as soon as it is made, and none takes longer than a limit: an engine may
answer a byte at a time for ever.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from orchestrator.diagnosis import diagnosis, local_diagnosis, torch_builds
from orchestrator.diagnosis.checks import Check, Examined
from orchestrator.diagnosis.diagnosis import Facts, Fault
from orchestrator.diagnosis.local_diagnosis import LocalFacts
from orchestrator.diagnosis.torch_builds import Build
from orchestrator.errors import UsageError
from orchestrator.fleet import asking, pool_diagnosis
from orchestrator.fleet.census import Census
from orchestrator.hosts import advice, image, local, local_gpus, probe
from orchestrator.hosts.engine import EngineError, EngineFacts, ImageFacts, LinkError
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.shell import Shell, shell
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.inventory import Machine

# Longer than anything that is healthy takes: ssh's own limit, an engine's, a driver's that hangs.
LIMIT_S: Final = 90.0
# How the measuring packages are called where they are installed from.
_DISTRIBUTIONS: Final = {"PIL": "pillow"}
_LABELS: Final = {
    "TORCH_VERSION": "torch-compile-benchmark.torch",
    "TORCH_INDEX": "torch-compile-benchmark.torch-index",
}


class Patient(Protocol):
    """What is asked of an engine. Every method may raise EngineError."""

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def facts(self) -> EngineFacts: ...

    def image(self, reference: str) -> ImageFacts | None: ...


@dataclass(slots=True)
class _Visit:
    """A machine while it is examined, and what is being asked of it."""

    machine: Machine
    doing: str = "connecting"


def examine(
    machines: Sequence[Machine],
    source: ImageSource,
    engine: Callable[[Address], Patient] | None = None,
    ask: Shell = shell,
    limit_s: float = LIMIT_S,
) -> Iterator[Examined]:
    """Examine machines, all at once. Yields: each as soon as it is known what is wrong there."""
    beside_local = any(machine.is_local for machine in machines)
    examiner = _Examiner(_Wanted.of(source), engine or _docker_engine, ask, beside_local, Census())
    visits = [_Visit(machine) for machine in machines]
    for visit, examined in asking.ask_all(visits, examiner.examine, limit_s):
        yield examined or _unanswered(visit, limit_s)


def _unanswered(visit: _Visit, limit_s: float) -> Examined:
    found = f"none within {limit_s:.0f} s, while {visit.doing}"
    address = visit.machine.address
    look = "" if address is None else advice.look(address)
    where = visit.machine.pool.address if visit.machine.pool is not None else str(address or "")
    return Examined(visit.machine.name, where, (Check("Answer", "bad", found, look),))


def _docker_engine(address: Address) -> Patient:
    from orchestrator.hosts.docker import DockerEngine  # the SDK takes a fifth of a second

    return DockerEngine(address)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The image that a run would use: how it is named, and what is in it as far as is known."""

    reference: str
    build: Build
    pinned: bool = False
    torch_lock: str | None = None

    @classmethod
    def of(cls, source: ImageSource) -> _Wanted:
        if source.kind == "pull":
            return cls(source.reference, Build("", ""), pinned=True)
        build_input = image.build_input(source.arguments)
        lock = image.torch_lock(source.arguments)
        return cls(build_input.tag, _build(source.arguments), torch_lock=lock)

    def fault_of(self, here: ImageFacts | None) -> str:
        """Why what bears its name is not it; a digest can only be of another version."""
        if here is None:
            return ""
        if self.pinned:
            return image.misfit(here.labels)
        return "" if image.is_ours(here.labels) else image.STRANGE


def _build(arguments: Mapping[str, str]) -> Build:
    dockerfile = (image.ROOT / "Dockerfile").read_text(encoding="utf-8")
    return torch_builds.of_image(arguments, dockerfile)


@dataclass(frozen=True, slots=True)
class _Examiner:
    """How hosts are asked, and what for."""

    wanted: _Wanted
    engine: Callable[[Address], Patient]
    ask: Shell
    beside_local: bool
    census: Census

    def examine(self, visit: _Visit) -> Examined:
        machine, address = visit.machine, visit.machine.address
        if machine.pool is not None:
            return pool_diagnosis.examine(machine)
        if address is None:
            checks = local_diagnosis.diagnose(_local(self.ask))
            return Examined(machine.name, sys.executable, checks)
        checks = diagnosis.diagnose(self._learn(visit, address))
        return Examined(machine.name, str(address), checks)

    def _learn(self, visit: _Visit, address: Address) -> Facts:
        patient, build = self.engine(address), self.wanted.build
        facts = Facts(str(address), address.scheme == "ssh", visit.machine.gpus, build)
        try:
            patient.connect()
            visit.doing = "asking its engine"
            before_s, told, after_s = time.time(), patient.facts(), time.time()
            here = patient.image(self.wanted.reference)
        except EngineError as error:
            beyond_ssh = not isinstance(error, LinkError) or error.text.startswith("socket:")
            return replace(facts, fault=Fault(*advice.cause(address, error)), reached=beyond_ssh)
        finally:
            patient.close()
        visit.doing = "asking for its GPUs and its disk"
        found = _probe(address, told.root, self.ask)
        return replace(
            facts,
            reached=True,
            engine=told.version,
            gpu_runtime=told.has_nvidia or (found.toolkit if found else None),
            gpus=found.gpus if found else None,
            driver_fault=found.driver_fault if found else "",
            free_bytes=found.free_bytes if found else None,
            image_bytes=here.size_bytes if here else None,
            image_fault=self.wanted.fault_of(here),
            pinned=self.wanted.pinned,
            torch_lock=_lock(here, self.wanted.torch_lock),
            build=_inside(here, build),
            skew_s=_skew_s(told.time, (before_s + after_s) / 2),
            beside_local=self.beside_local and local.shares_machine(address, told, self.ask),
            twin=self.census.twin(visit.machine, told, found),
        )


def _probe(address: Address, root: str, ask: Shell) -> probe.Probe | None:
    """What a shell can tell; None where there is none."""
    try:
        text = ask(address, probe.script(root))
    except LinkError:
        return None
    return probe.read(text) if text is not None else None


def _inside(here: ImageFacts | None, expected: Build) -> Build:
    """The build of PyTorch in an image: its labels know what only its makers did."""
    labels = here.labels if here else {}
    if _LABELS["TORCH_VERSION"] not in labels:
        return expected
    return torch_builds.of_image({name: labels.get(key, "") for name, key in _LABELS.items()}, "")


def _lock(here: ImageFacts | None, expected: str | None) -> str | None:
    """The hashes that the PyTorch of an image was held against, as its label has it."""
    label = here.labels.get(image.LOCK_LABEL) if here else None
    return expected if label is None else "" if label in ("none", "unknown") else label


def _skew_s(clock: str, now_s: float) -> float | None:
    """Seconds that an engine's clock is ahead of ours."""
    try:
        return datetime.datetime.fromisoformat(clock).timestamp() - now_s
    except ValueError:
        return None


def _local(ask: Shell) -> LocalFacts:
    text = ask(Address("unix"), probe.script("/"))
    found = probe.read(text or "")
    packages = {name: _installed(name) for name in local.MEASURES_WITH}
    wanted, unreadable = _wanted_here()
    return LocalFacts(
        packages,
        _installed_build(packages["torch"]),
        local.compiler(),
        local.missing_headers(),
        found.gpus if found else (),
        found.driver_fault if found else "nvidia-smi cannot be asked",
        wanted,
        unreadable,
    )


def _wanted_here() -> tuple[tuple[str, ...] | None, Fault | None]:
    """What CUDA_VISIBLE_DEVICES names on this machine, and why that cannot be meant."""
    try:
        return local_gpus.named(), None
    except UsageError as error:
        return None, Fault(error.sentence, error.advice)


def _installed(name: str) -> str | None:
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.metadata.version(_DISTRIBUTIONS.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _installed_build(torch: str | None) -> Build | None:
    """Read from torch's files: importing it takes seconds, and the desk does without."""
    spec = importlib.util.find_spec("torch") if torch else None
    if torch is None or spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    return torch_builds.of_installed(torch, text)

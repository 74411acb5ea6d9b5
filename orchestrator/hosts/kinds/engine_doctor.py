"""Whether a machine with an engine can measure, as far as its engine and a shell tell."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from orchestrator.diagnosis import diagnosis, torch_builds
from orchestrator.diagnosis.checks import Examined
from orchestrator.diagnosis.diagnosis import Facts, Fault
from orchestrator.diagnosis.torch_builds import Build
from orchestrator.hosts import Say, advice, image, local, probe
from orchestrator.hosts.engine import EngineError, ImageFacts, LinkError
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds.census import Census
from orchestrator.hosts.kinds.kind import Checkup
from orchestrator.hosts.shell import Shell
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine

_LABELS: Final = {
    "TORCH_VERSION": "torch-compile-benchmark.torch",
    "TORCH_INDEX": "torch-compile-benchmark.torch-index",
}


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
class EngineDoctor:
    """How engines are asked, and what for; remembers which were met."""

    checkup: Checkup
    wanted: _Wanted
    census: Census = field(default_factory=Census)

    @classmethod
    def of(cls, checkup: Checkup) -> EngineDoctor:
        return cls(checkup, _Wanted.of(checkup.source))

    def examine(self, machine: EngineMachine, say: Say) -> Examined:
        """Ask a machine; may be asked by several threads at once."""
        checks = diagnosis.diagnose(self._learn(machine, say))
        return Examined(machine.name, machine.where, checks)

    def _learn(self, machine: EngineMachine, say: Say) -> Facts:
        address, build, ask = machine.address, self.wanted.build, self.checkup.ask
        patient = self.checkup.engine(address)
        facts = Facts(str(address), address.scheme == "ssh", machine.gpus, build)
        try:
            patient.connect()
            say("asking its engine")
            before_s, told, after_s = time.time(), patient.facts(), time.time()
            here = patient.image(self.wanted.reference)
        except EngineError as error:
            beyond_ssh = not isinstance(error, LinkError) or error.text.startswith("socket:")
            return replace(facts, fault=Fault(*advice.cause(address, error)), reached=beyond_ssh)
        finally:
            patient.close()
        say("asking for its GPUs and its disk")
        found = _probe(address, told.root, ask)
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
            beside_local=self.checkup.beside_here and local.shares_machine(address, told, ask),
            twin=self.census.twin(machine, told, found),
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

"""Asks all hosts at once whether they can measure; starts nothing there, changes nothing."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from orchestrator import diagnosis, local_diagnosis, torch_builds
from orchestrator.addresses import Address
from orchestrator.checks import Examined
from orchestrator.diagnosis import Facts, Fault
from orchestrator.hosts import advice, image, local, probe
from orchestrator.hosts.engine import EngineError, EngineFacts, ImageFacts, LinkError
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.tunnel import Tunnel
from orchestrator.inventory import Machine
from orchestrator.local_diagnosis import LocalFacts
from orchestrator.torch_builds import Build

_SHELL_S: Final = 60.0
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


Shell: TypeAlias = Callable[[Address, str], str | None]
"""Runs a script by `sh` on an engine's machine; None where there is no way to its shell."""


def shell(address: Address, script: str) -> str | None:
    """Over SSH in a session of its own, or on this machine. Raises: LinkError."""
    match address.scheme:
        case "ssh":
            return Tunnel(address).shell(script, _SHELL_S)
        case "unix":
            return _here(script)
        case "tcp":
            return None


def examine(
    machines: Sequence[Machine],
    source: ImageSource,
    engine: Callable[[Address], Patient] | None = None,
    ask: Shell = shell,
) -> tuple[Examined, ...]:
    """Examine machines, each in a thread of its own."""
    wanted = _Wanted.of(source)
    engine = engine or _docker_engine
    with ThreadPoolExecutor(max(1, len(machines))) as pool:
        return tuple(pool.map(partial(_examine, wanted=wanted, engine=engine, ask=ask), machines))


def _docker_engine(address: Address) -> Patient:
    from orchestrator.hosts.docker import DockerEngine  # the SDK takes a fifth of a second

    return DockerEngine(address)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The image that a run would use: how it is named, and what is in it as far as is known."""

    reference: str
    build: Build

    @classmethod
    def of(cls, source: ImageSource) -> _Wanted:
        if source.kind == "pull":
            return cls(source.reference, Build("", ""))
        recipe = image.recipe(source.arguments)
        return cls(recipe.tag, _build(source.arguments))


def _build(arguments: Mapping[str, str]) -> Build:
    dockerfile = (image.ROOT / "Dockerfile").read_text(encoding="utf-8")
    return torch_builds.of_image(arguments, dockerfile)


def _examine(
    machine: Machine, wanted: _Wanted, engine: Callable[[Address], Patient], ask: Shell
) -> Examined:
    if machine.address is None:
        return Examined(machine.name, sys.executable, local_diagnosis.diagnose(_local(ask)))
    facts = _ask(machine, machine.address, wanted, engine(machine.address), ask)
    return Examined(machine.name, str(machine.address), diagnosis.diagnose(facts))


def _ask(
    machine: Machine, address: Address, wanted: _Wanted, patient: Patient, ask: Shell
) -> Facts:
    facts = Facts(str(address), address.scheme == "ssh", machine.gpus, wanted.build)
    try:
        patient.connect()
        before_s, told, after_s = time.time(), patient.facts(), time.time()
        here = patient.image(wanted.reference)
    except EngineError as error:
        beyond_ssh = not isinstance(error, LinkError) or error.text.startswith("socket:")
        return replace(facts, fault=Fault(*advice.cause(address, error)), reached=beyond_ssh)
    finally:
        patient.close()
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
        build=_inside(here, wanted.build),
        skew_s=_skew_s(told.time, (before_s + after_s) / 2),
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
    return LocalFacts(
        packages,
        _installed_build(packages["torch"]),
        local.compiler(),
        local.missing_headers(),
        found.gpus if found else (),
        found.driver_fault if found else "nvidia-smi cannot be asked",
    )


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


def _here(script: str) -> str | None:
    try:
        done = subprocess.run(
            ["sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SHELL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout

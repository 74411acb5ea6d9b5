"""This machine, measured without anything in between."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.diagnosis import local_diagnosis, torch_builds
from orchestrator.diagnosis.checks import Examined
from orchestrator.diagnosis.diagnosis import Fault
from orchestrator.diagnosis.local_diagnosis import LocalFacts
from orchestrator.diagnosis.torch_builds import Build
from orchestrator.errors import UsageError
from orchestrator.hosts import Host, Say, local, local_gpus, probe
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.kinds.kind import Checkup, Examine, HostKind, Job, Parallelism
from orchestrator.hosts.kinds.leftovers import Attached, Cleaned, Left, WhyKeep, Wish
from orchestrator.hosts.shell import Shell
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.machines import LOCAL, Settings

# How the measuring packages are called where they are installed from.
_DISTRIBUTIONS: Final = {"PIL": "pillow"}


@dataclass(frozen=True, slots=True)
class LocalMachine:
    """This machine, measured without anything in between."""

    name: str = LOCAL
    price_per_hour: float | None = None

    @property
    def where(self) -> str:
        return ""

    def settings(self) -> dict[str, object]:
        return {}


class LocalSettings(Settings[LocalMachine]):
    """It has no table, and run.json keeps nothing of it."""

    machine = LocalMachine
    what = "this machine"

    def of_name(self, name: str) -> LocalMachine | None:
        return LocalMachine() if name == LOCAL else None

    def of_table(self, _where: str, name: str, _table: Mapping[str, object]) -> LocalMachine:
        return LocalMachine(name)

    def of_run(self, name: str, _settings: Mapping[str, object]) -> LocalMachine:
        return LocalMachine(name)


class LocalKind(HostKind[LocalMachine]):
    """Its harness ends with its terminal, and leaves nothing behind."""

    settings = LocalSettings()
    is_here = True
    goes_on_alone = False

    def preface(self) -> str:
        """Of several GPUs; else a command without it measures on the same one."""
        return local_gpus.as_typed() if len(local_gpus.named() or ()) > 1 else ""

    def parallelism(self, _machine: LocalMachine) -> Parallelism:
        return Parallelism(local_gpus.count(), idle=local_gpus.hint())

    def open(self, _machines: Sequence[LocalMachine], _job: Job) -> Sequence[Host]:
        return local.hosts()

    def doctor(self, checkup: Checkup) -> Examine[LocalMachine]:
        def examine(machine: LocalMachine, _say: Say) -> Examined:
            checks = local_diagnosis.diagnose(_facts(checkup.ask))
            return Examined(machine.name, sys.executable, checks)

        return examine

    def attach(self, _machine: LocalMachine, _left: Left, _terms: Terms) -> Attached:
        return Attached()

    def clean(self, machine: LocalMachine, _wish: Wish, _why_keep: WhyKeep) -> Cleaned:
        return Cleaned(machine.name)


def _facts(ask: Shell) -> LocalFacts:
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

"""What a kind of hosts can do: one protocol for this machine, for engines and for pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from orchestrator.diagnosis.checks import Examined
from orchestrator.hosts import Host, Say
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.engine import EngineFacts, ImageFacts
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds.leftovers import Attached, Cleaned, Left, WhyKeep, Wish
from orchestrator.hosts.shell import Shell
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.machines import M, Settings


@dataclass(frozen=True, slots=True)
class Job:
    """What the hosts of one run have in common; `beside_here`: it measures on this machine, too."""

    source: ImageSource
    terms: Terms
    beside_here: bool


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How a host spreads its cases, as far as that is known before it is asked.

    `gpus` measure at once, none means the CPU. Of `controlled` workers each may measure a case once
    more. `idle` says that GPUs stay without work, and how to change that.
    """

    gpus: int = 0
    controlled: int = 1
    idle: str = ""


class Patient(Protocol):
    """What doctor asks an engine. Every method may raise EngineError."""

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def facts(self) -> EngineFacts: ...

    def image(self, reference: str) -> ImageFacts | None: ...


@dataclass(frozen=True, slots=True)
class Checkup:
    """What hosts are examined for, and how they are asked; `beside_here`: this machine is to
    measure as well."""

    source: ImageSource
    engine: Callable[[Address], Patient]
    ask: Shell
    beside_here: bool


Examine: TypeAlias = Callable[[M, Say], Examined]
"""Examines a host, and says what it is waiting for meanwhile."""


class HostKind(Protocol[M]):
    """One kind of hosts.

    `is_here`: it measures this machine itself, the speed of whose CPU is known, and where no other
    host may measure meanwhile. `goes_on_alone`: what measures there goes on when this program has
    ended, so that something of a run may be left there.
    """

    settings: Settings[M]
    is_here: bool = False
    goes_on_alone: bool = True

    def preface(self) -> str:
        """What has to precede a command for it to measure on the same hosts. Raises: UsageError."""
        return ""

    def look(self, _machine: M) -> str:
        """The command by which a user looks at a host that does not answer."""
        return ""

    def parallelism(self, machine: M) -> Parallelism:
        """Raises: UsageError."""
        ...

    def open(self, machines: Sequence[M], job: Job) -> Sequence[Host]:
        """What measures on these machines; several hosts of one name where GPUs share its cases.

        Raises: UsageError.
        """
        ...

    def doctor(self, checkup: Checkup) -> Examine[M]:
        """What examines such hosts, several at once; it starts nothing there."""
        ...

    def attach(self, machine: M, left: Left, terms: Terms) -> Attached:
        """How what is left of a run on a host is taken up."""
        ...

    def clean(self, machine: M, wish: Wish, why_keep: WhyKeep) -> Cleaned:
        """Remove what runs left on a host."""
        ...

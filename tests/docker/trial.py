"""A run against the hosts of the bed, with whatever is to go wrong in the middle of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.contract.plan import Plan
from harness.contract.records import CaseStarted, Finished, Record
from orchestrator.cli.progress import NoProgress
from orchestrator.compare.comparison import Comparison
from orchestrator.errors import NoHostError
from orchestrator.fleet import attaching
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import image, opening
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.inventory.addresses import Address
from orchestrator.inventory.engines import EngineMachine
from orchestrator.inventory.machines import Machine
from orchestrator.publish import rendering
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.docker import stand_in
from tests.docker.bed import BedHost, Fleet
from tests.docker.engine import Engine
from tests.docker.inside import Gate
from tests.docker.stand_in import Do, Step
from tests.fake_host import lines

RESNET: Final = factories.case("resnet-50")
VIT: Final = factories.case("vit-base")
PLAN: Final = factories.plan([RESNET, VIT], weights="random")
PRETRAINED: Final = factories.plan([RESNET, VIT], weights="pretrained")
STREAM: Final = lines(
    factories.started([RESNET, VIT], plan_id=PLAN.plan_id),
    CaseStarted(case_id=RESNET.case_id, stage="build"),
    factories.measurement(RESNET),
    CaseStarted(case_id=VIT.case_id, stage="build"),
    factories.measurement(VIT),
    Finished(plan_id=PLAN.plan_id, measured=2, failed=0),
)
# As the harness does: end when told to, and only then. Process 1 of a container ignores what it did
# not ask for, so the trap comes first; the real image has tini for that.
TRAP: Final = Do("trap 'exit 143' TERM")
LINGER: Final = Do("sleep 600 & wait")
_RECORDS: Final = stand_in.steps_of(STREAM)
STEPS: Final = (TRAP, *_RECORDS, LINGER)


# What a harness does until its first case is measured and the second one has begun.
UNTIL_THEN: Final = STEPS[:5]
# The same harness, which then waits for a test.
GATED: Final = (*UNTIL_THEN, stand_in.GATE, *STEPS[len(UNTIL_THEN) :])
# And what is on disk then.
HALF: Final = b"".join(_RECORDS[:4])  # type: ignore[arg-type]
# The result that is then to come.
LAST: Final = _RECORDS[4]


def steps_for(plan: Plan, steps: Sequence[Step] = STEPS) -> tuple[Step, ...]:
    """The same, as an answer to another plan of these cases."""
    old, new = PLAN.plan_id.encode(), plan.plan_id.encode()
    return tuple(step.replace(old, new) if isinstance(step, bytes) else step for step in steps)


# Half a second for every record, and little patience: a test need not wait as a user would.
PACE_S: Final = 0.5
TERMS: Final = Terms(patience_s=60, silence_s=3)

Action = Callable[[], object]


@dataclass
class Watcher(NoProgress):
    """Remembers what it is told, and acts once when a host's first case is measured and all the
    others have begun."""

    host: str = ""
    others: set[str] = field(default_factory=set)
    measured: bool = False
    act: Action = lambda: None
    acted: bool = False
    remarks: list[str] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)

    def saw(self, host: str, record: Record) -> None:
        self.others.discard(host)
        self.measured |= host == self.host and record.kind == "measurement"
        if self.measured and not self.others and not self.acted:
            self.acted = True
            self.act()

    def noted(self, host: str, remark: str) -> None:
        self.remarks.append(f"{host}: {remark}")

    def ended(self, host: str, trouble: str) -> None:
        self.troubles[host] = trouble

    def skipped(self, host: str, why: str) -> None:
        self.skips[host] = why


def machine(name: str, *gpus: str) -> EngineMachine:
    """A host of the bed, whose CPU is asked for unless there are GPUs."""
    return EngineMachine(name, Address("ssh", name), gpus)


def ready(fleet: Fleet, names: Iterable[str], steps: Sequence[Step] = STEPS) -> None:
    """Put a stand-in on hosts in place of the real image, so that nothing needs building."""
    for name in names:
        with contextlib.closing(fleet[name].engine.client()) as client:
            stand_in.load(client, image.build_input({}).tag, steps, pace_s=PACE_S)


def forget_image(host: BedHost) -> None:
    """Take away what `ready` brought."""
    with contextlib.closing(host.engine.client()) as client:
        for found in client.images.list(name=image.build_input({}).tag):
            client.images.remove(found.id, force=True)


@dataclass(slots=True)
class Trial:
    """One run, and what can be asked about it."""

    folder: RunFolder
    machines: Sequence[Machine]
    watcher: Watcher

    @classmethod
    def new(cls, output: Path, machines: Sequence[Machine], plan: Plan = PLAN) -> Trial:
        return cls(Run.new(output, plan, machines, []).folder, machines, Watcher())

    def measure(
        self,
        *,
        terms: Terms = TERMS,
        source: ImageSource | None = None,
        detach: bool = False,
    ) -> None:
        hosts = opening.hosts_for(self.machines, source or ImageSource(), terms)
        Run.of(self.folder).measure(hosts, self.watcher, detach=detach)

    def attach(self, terms: Terms = TERMS) -> None:
        self.watcher.troubles.clear()
        attaching.attach(self.folder, self.machines, self.watcher, terms)

    def records(self, host: str, attempt: int = 1) -> bytes:
        return (self.folder.path / "records" / f"{host}.{attempt}.jsonl").read_bytes()

    def comparison(self) -> Comparison:
        rendered = rendering.render(self.folder)
        assert rendered.page.exists()
        return rendered.comparison

    def verdicts(self, host: str) -> list[str]:
        return [row.verdict for row in self.comparison().rows if row.host == host]

    def exit_code(self) -> int:
        try:
            return rendering.exit_code(self.comparison())
        except NoHostError as error:
            return error.exit_code


def after_the_first_case(trial: Trial, host: str, engine: Engine, act: Action) -> None:
    """What is to happen once the first result of a host is on disk. If it waits at a gate then,
    that is opened afterwards."""

    def act_and_open() -> None:
        gate = Gate.of(engine)
        try:
            act()
        finally:
            gate.open()

    hold_after_the_first_case(trial, host, act_and_open)


def hold_after_the_first_case(trial: Trial, host: str, act: Action) -> None:
    """The same, but a gate stays shut."""
    trial.watcher.host, trial.watcher.act = host, act
    trial.watcher.others = {machine.name for machine in trial.machines}

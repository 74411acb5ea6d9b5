"""A run of two cases, by hosts that replay what a harness would send."""

from __future__ import annotations

import datetime
from pathlib import Path

from harness.contract.plan import Plan
from harness.contract.records import Finished
from orchestrator.cli.progress import NoProgress
from orchestrator.fleet.measuring import Run
from orchestrator.publish import rendering
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_host import FakeHost, lines

RESNET = factories.case("resnet-50")
VIT = factories.case("vit-base")
PLAN = factories.plan([RESNET, VIT])
NOW = datetime.datetime(2026, 11, 24, 4, 15, tzinfo=datetime.UTC)
STARTED = factories.started([RESNET, VIT])
DONE = Finished(plan_id=PLAN.plan_id, measured=2, failed=0)
FASTER = factories.measurement(RESNET, eager_s=0.010, compiled_s=0.005, noise=0.01)
SLOWER = factories.measurement(VIT, eager_s=0.010, compiled_s=0.020, noise=0.01)
WHOLE = lines(STARTED, FASTER, SLOWER, DONE)


def new_folder(output: Path, *hosts: str, plan: Plan = PLAN) -> RunFolder:
    return RunFolder.create(output, plan, hosts or ("local",), "python orchestrate.py", NOW)


def measured(output: Path, *hosts: FakeHost) -> RunFolder:
    folder = new_folder(output, *(host.name for host in hosts))
    Run.of(folder).measure(hosts, NoProgress())
    return folder


def verdicts(folder: RunFolder) -> list[str]:
    return [row.verdict for row in rendering.render(folder).comparison.rows]


class Told(NoProgress):
    """Remembers how hosts ended."""

    def __init__(self) -> None:
        self.troubles: dict[str, str] = {}
        self.skips: dict[str, str] = {}

    def ended(self, host: str, trouble: str) -> None:
        self.troubles[host] = trouble

    def skipped(self, host: str, why: str) -> None:
        self.skips[host] = why

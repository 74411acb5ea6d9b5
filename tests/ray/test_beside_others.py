"""A pool beside a Docker host and this machine, in one run of the main command."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from harness.contract.plan import Plan
from harness.contract.records import CaseStarted, Finished, Record
from orchestrator import planning
from orchestrator.compare import runs
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.docker import bed as beds
from tests.docker import needs, stand_in
from tests.docker.bed import Fleet
from tests.docker.trial import ready
from tests.fake_host import lines
from tests.ray.trial import Trial, killed_in_the_end

CHOSEN = planning.Choices(
    models="resnet-50", batch_sizes="1", weights="random", iterations=6,
    size="tiny", backend="aot_eager",
)  # fmt: skip
OPTIONS = (
    "--models", "resnet-50", "--batch-sizes", "1", "--weights", "random", "--iterations", "6",
    "--size", "tiny", "--backend", "aot_eager", "--baseline", "none", "--json",
)  # fmt: skip


BOOT_ID = "/proc/sys/kernel/random/boot_id"


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """A Docker host behind SSH, another machine by its boot, so that it may be measured beside
    this one."""
    needs.require("dockerd", "docker-init", "busybox", "nsenter", "sshd", "ssh", "ip")
    with beds.laid() as bed:
        fleet = bed.fleet(("t4",))
        other = bed.folder / "boot_id"
        other.write_text(f"{uuid.uuid4()}\n")
        fleet["t4"].machine.run("mount", "--bind", str(other), BOOT_ID)
        yield fleet


def stream_of(plan: Plan) -> bytes:
    """What a whole harness says of these cases."""
    case_ids = tuple(case.case_id for case in plan.attempts())
    told: list[Record] = []
    for case in (attempt.case for attempt in plan.attempts()):
        told += [CaseStarted(case_id=case.case_id, stage="build"), factories.measurement(case)]
    return lines(
        factories.started(plan_id=plan.plan_id, case_ids=case_ids),
        *told,
        Finished(plan_id=plan.plan_id, measured=len(case_ids), failed=0),
    )


def test_a_pool_a_docker_host_and_this_machine_share_a_page(trial: Trial, fleet: Fleet) -> None:
    plan = planning.make(CHOSEN)
    trial.play(plan)
    ready(fleet, ["t4"], stand_in.steps_of(stream_of(plan)))
    with trial.inventory(workers=2).open("a") as file:
        file.write('[hosts.t4]\ndocker = "ssh://t4"\ngpu = "none"\n')
    names, output = ("a100", "t4", "local"), trial.output / "reports"
    options = ("--hosts", ",".join(names), *OPTIONS, "--output", str(output))
    with killed_in_the_end(trial.desk(*options, environment=fleet.environment())) as run:
        told = run.communicate(timeout=120)[0].decode()
    assert run.returncode == 0, told
    (path,) = (each for each in output.iterdir() if each.is_dir())
    folder = RunFolder(path)
    assert [host.host for host in runs.read(folder).hosts] == list(names)
    for outcome in folder.outcomes():
        assert outcome.ending == "finished"
        assert sorted(outcome.measurements) == sorted(case.case_id for case in plan.attempts())
        assert bool(outcome.origins) == (outcome.host == "a100")
    rows = json.loads((path / "results.json").read_text())["rows"]
    assert {row["host"]: bool(row["node"]) for row in rows} == {
        "a100": True, "t4": False, "local": False,
    }  # fmt: skip
    assert [path.name for path in (folder.path / "jobs").iterdir()] == ["a100.jsonl"]

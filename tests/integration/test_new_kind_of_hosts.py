"""A kind of hosts that is known to this module alone: all that a user does with a host works for
one whose kind is a class and a place in the registry.

Its hosts are folders. The stand-in harness runs there as a process, and what it says is kept in a
file there until every record has arrived.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.contract.plan import Plan
from orchestrator.diagnosis.checks import Check, Examined
from orchestrator.errors import NoHostError, UsageError
from orchestrator.hosts import STARTING, Say, container
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.engine import Container
from orchestrator.hosts.kinds import registry
from orchestrator.hosts.kinds.kind import Checkup, Examine, HostKind, Job, Parallelism
from orchestrator.hosts.kinds.leftovers import Attached, Cleaned, Left, WhyKeep, Wish
from orchestrator.inventory import tables
from orchestrator.inventory.machines import Settings
from orchestrator.records.attempt_file import AttemptFile
from tests.integration.stand_in_harness import Planted, planted
from tests.integration.test_command_line import Said, say
from tests.integration.test_local_gpus import ASKED, PLAN, answers, the_run


@dataclass(frozen=True)
class Rack:
    """A host, which is a folder of this machine."""

    name: str
    folder: Path
    price_per_hour: float | None = None

    @property
    def where(self) -> str:
        return str(self.folder)

    def settings(self) -> dict[str, object]:
        return {"standin": str(self.folder), "price_per_hour": self.price_per_hour}

    def kept(self, run_id: str, attempt: str) -> Path:
        """Where what the harness of an attempt says is kept."""
        return self.folder / f"{run_id} {attempt}"


class RackSettings(Settings[Rack]):
    machine = Rack
    what = "a rack"
    marks = ("standin",)
    keys = ("standin", "price_per_hour")

    def of_table(self, where: str, name: str, table: Mapping[str, object]) -> Rack:
        if not isinstance(table["standin"], str):
            raise UsageError(f"{where}: standin is no folder", 'As in  standin = "/srv/rack"')
        return Rack(name, Path(table["standin"]), tables.price(where, table))

    def of_run(self, name: str, settings: Mapping[str, object]) -> Rack:
        return Rack(name, Path(str(settings["standin"])), tables.kept_price(settings))


@dataclass
class RackSession:
    """Reads what a harness says; without a process it has said all."""

    kept: Path
    process: subprocess.Popen[bytes] | None = None

    def chunks(self) -> Iterator[bytes]:
        with self.kept.open("rb") as file:
            ended = False
            while not ended:
                ended = self.process is None or self.process.poll() is not None
                if chunk := file.read():
                    yield chunk
                time.sleep(0 if ended else 0.01)

    def recover(self, _seq: int, /) -> bool:
        return False

    def finish(self) -> None:
        self.kept.unlink()

    def detach(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> bool:
        return self.kill()

    def kill(self) -> bool:
        if self.process is not None:
            self.process.kill()
        return True


@dataclass(frozen=True)
class RackHost:
    name: str
    rack: Rack

    def check(self, plan: Plan) -> None:
        if not self.rack.folder.is_dir():
            raise NoHostError(f'host "{self.name}": there is no rack', "Bring one.")

    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> RackSession:
        say(STARTING)
        kept = self.rack.kept(attempt.run_id, attempt.name)
        with kept.open("wb") as told, attempt.log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "harness", "--plan", "-"],
                cwd=self.rack.folder, stdin=subprocess.PIPE, stdout=told, stderr=errors,
            )  # fmt: skip
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(plan.model_dump_json().encode())
        return RackSession(kept, process)


class RackKind(HostKind[Rack]):
    settings = RackSettings()

    def parallelism(self, machine: Rack) -> Parallelism:
        return Parallelism(gpus=2)

    def open(self, machines: Sequence[Rack], job: Job) -> Sequence[RackHost]:
        return [RackHost(machine.name, machine) for machine in machines]

    def doctor(self, checkup: Checkup) -> Examine[Rack]:
        def examine(machine: Rack, say: Say) -> Examined:
            good = machine.folder.is_dir()
            check = Check("Rack", "good", "it is there") if good else Check("Rack", "bad", "gone")
            return Examined(machine.name, machine.where, (check,))

        return examine

    def attach(self, machine: Rack, left: Left, terms: Terms) -> Attached:
        def find(attempt: AttemptFile) -> RackSession | None:
            kept = machine.kept(attempt.run_id, attempt.name)
            return RackSession(kept) if kept.exists() else None

        return Attached(dict.fromkeys(left.unfinished(), find))

    def clean(self, machine: Rack, wish: Wish, why_keep: WhyKeep) -> Cleaned:
        done = Cleaned(machine.name)
        for path in machine.folder.glob(f"{wish.run_id or '*'} *.jsonl"):
            run, attempt = path.name.split(" ")
            labels = {container.RUN: run, container.HOST: machine.name, container.ATTEMPT: attempt}
            if why := why_keep(Container(path.name, path.name, labels, "exited")):
                done.kept.append(f"kept file {attempt}, which {why}")
            else:
                path.unlink()
                done.removed.append(f"file {attempt}")
        return done


@pytest.fixture
def harnesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """The line in the registry; a harness in a rack, and the rack in an inventory."""
    monkeypatch.setattr(registry, "KINDS", (*registry.KINDS, RackKind()))
    monkeypatch.chdir(tmp_path)
    found = planted(tmp_path / "rack", PLAN, monkeypatch)
    inventory(f'standin = "{found.folder}"\nprice_per_hour = 2.5')
    return found


def inventory(table: str) -> None:
    Path("hosts.toml").write_text(f"[hosts.rack]\n{table}\n")


def run(*arguments: str) -> Said:
    return say(*arguments, "--output", "reports", "--progress", "plain", "--baseline", "none")


@pytest.mark.parametrize(
    ("table", "sentence", "advice"),
    [
        ("standin = 3", "[hosts.rack]: standin is no folder", "/srv/rack"),
        ('standin = "x"\ngpu = 0', 'unknown key in hosts.toml, [hosts.rack] "gpu"', "standin"),
        ('standn = "x"', '"standn". Did you mean standin?', "context"),
        ('standin = "x"\nprice_per_hour = -1', "price_per_hour = -1 is no price", "3.67"),
        ('standin = "x"\nray = "y"', "a rack and a cluster at once", "context, ray and standin"),
        ("gpu = 0", "one of docker, context, ray and standin is needed", "As in"),
    ],
)
@pytest.mark.usefixtures("harnesses")
def test_a_table_that_is_wrong_gets_its_sentence(table: str, sentence: str, advice: str) -> None:
    inventory(table)
    said = say("--hosts", "rack", "--dry-run")
    assert said.code == 2
    assert sentence in said.err
    assert advice in said.err


@pytest.mark.usefixtures("harnesses")
def test_its_time_is_estimated_for_all_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "rack         about" in say("--hosts", "rack", "--dry-run", *ASKED).out
    hosts = json.loads(say("--hosts", "rack,local", "--dry-run", "--json", *ASKED).out)["hosts"]
    assert [(host["name"], host["gpus"]) for host in hosts] == [("rack", 2), ("local", 0)]


def test_doctor_examines_it(harnesses: Planted) -> None:
    said = say("doctor", "--hosts", "rack")
    assert (said.code, f"rack ({harnesses.folder})\n  ✓ Rack  it is there" in said.out) == (0, True)
    inventory('standin = "nowhere"')
    said = say("doctor", "--hosts", "rack")
    assert (said.code, "✗ Rack  gone" in said.out) == (3, True)


@pytest.mark.usefixtures("harnesses")
def test_one_that_cannot_measure_is_refused_before_anything_is_started() -> None:
    inventory('standin = "nowhere"')
    said = run("--hosts", "rack", *ASKED)
    assert (said.code, 'host "rack": there is no rack' in said.err) == (3, True)


def test_it_measures_is_remembered_and_measures_what_it_left(harnesses: Planted) -> None:
    lost = PLAN.attempts()[2].case
    harnesses.lost[""] = lost
    harnesses.write()
    assert run("--hosts", "rack", *ASKED).code == 1
    folder = the_run(Path("reports"))
    assert folder.meta().machines == {
        "rack": {"standin": str(harnesses.folder), "price_per_hour": 2.5}
    }
    assert folder.meta().prices_per_hour == {"rack": 2.5}
    Path("hosts.toml").unlink()  # the run remembers its hosts
    harnesses.lost.clear()
    harnesses.write()
    said = run("--resume", str(folder.path))
    assert said.code == 0, said.err
    assert harnesses.starts[1]["cases"] == [case.case_id for case in PLAN.attempts()[2:]]
    assert set(answers(Path("reports"))) == {"faster"}


def test_what_is_left_there_is_kept_taken_up_and_removed(harnesses: Planted) -> None:
    assert run("--hosts", "rack", *ASKED).code == 0
    folder = the_run(Path("reports"))
    record = folder.path / "records" / "rack.1.jsonl"
    kept = Rack("rack", harnesses.folder).kept(folder.path.name, record.name)
    whole = record.read_bytes()
    assert not kept.exists()
    # As if this program had died in the middle, and the harness had come to its end.
    kept.write_bytes(whole)
    record.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    said = say("clean", str(folder.path))
    assert (said.code, "kept file rack.1.jsonl, which has records" in said.out) == (0, True)
    said = say("attach", str(folder.path), "--progress", "plain", "--baseline", "none")
    assert said.code == 0, said.err
    assert record.read_bytes() == whole
    assert not kept.exists()
    assert len(harnesses.starts) == 1
    kept.write_bytes(whole)  # as if it had died just before it would have been removed
    assert "rack: removed file rack.1.jsonl" in say("clean", str(folder.path)).out
    assert "rack: nothing to remove" in say("clean", str(folder.path)).out

"""What goes wrong on hosts, for real: which cases survive, what a user is told, the exit code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.hosts import container
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.records.outcomes import Trouble
from tests import factories
from tests.docker import inside, stand_in, trial
from tests.docker.bed import BedHost, Fleet
from tests.docker.engine import Engine
from tests.docker.inside import Gate
from tests.docker.trial import HALF, LAST, PLAN, RESNET, STEPS, STREAM, UNTIL_THEN, Trial, machine
from tests.fake_host import lines

BOTH = ("a100", "t4")
pytestmark = pytest.mark.usefixtures("reach")


def later(seconds: float, *actions: trial.Action) -> None:
    def act() -> None:
        for action in actions:
            action()

    threading.Timer(seconds, act).start()


def when_measured(fleet: Fleet, run: Trial, act: trial.Action) -> None:
    """What is to happen while t4 is at its second case."""
    trial.ready(fleet, ["t4"], trial.GATED)
    trial.after_the_first_case(run, "t4", fleet["t4"].engine, act)


def test_healthy_hosts_deliver_every_record_and_nothing_is_left(fleet: Fleet, run: Trial) -> None:
    run.measure()
    assert [run.records(name) for name in BOTH] == [STREAM, STREAM]
    assert run.watcher.troubles == {"a100": "", "t4": ""}
    assert run.watcher.remarks == []
    assert run.exit_code() == 0
    assert [inside.names(fleet[name].engine) for name in BOTH] == [[], []]


@pytest.mark.parametrize("fault", [inside.kill, inside.remove])
def test_a_killed_container_costs_the_case_under_way(
    fleet: Fleet, run: Trial, fault: Callable[[Engine], None]
) -> None:
    when_measured(fleet, run, lambda: fault(fleet["t4"].engine))
    run.measure()
    assert STREAM.startswith(run.records("t4"))
    assert run.records("a100") == STREAM
    told = run.watcher.troubles["t4"]
    assert "the harness was killed from outside" in told or "somebody removed" in told
    assert "--resume" in run.watcher.troubles["t4"]
    assert run.verdicts("t4")[0] == "faster"
    assert run.verdicts("t4")[1] == "failed"
    assert run.exit_code() == 1
    assert inside.names(fleet["t4"].engine) == []


def test_memory_that_runs_out_is_named_as_such(fleet: Fleet, run: Trial) -> None:
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, stand_in.OUT_OF_MEMORY])
    fleet["t4"].engine.limit_memory(64 << 20)
    run.measure()
    assert run.records("t4") == HALF
    assert "killed the harness because its memory did not suffice" in run.watcher.troubles["t4"]
    problem = run.comparison().rows[3].problem
    assert problem is not None
    assert problem.reason == "oom"
    assert run.verdicts("a100") == ["faster", "faster"]
    assert run.exit_code() == 0  # running out of memory is a result


def test_a_full_disk_in_the_container_costs_the_case_under_way(fleet: Fleet, run: Trial) -> None:
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, stand_in.FILL_TMP])
    run.measure()
    assert run.records("t4") == HALF
    assert "ended with exit code 28" in run.watcher.troubles["t4"]
    log = run.folder.path / "logs" / "t4.1.log"
    assert log.read_text().count("No space left on device") == 1
    assert run.verdicts("t4") == ["faster", "failed"]
    assert run.exit_code() == 1


@pytest.mark.parametrize(("end", "down_s"), [("stop", 0), ("kill", 0), ("kill", 3)])
def test_an_engine_that_comes_back_costs_nothing(
    fleet: Fleet, run: Trial, end: str, down_s: float
) -> None:
    engine = fleet["t4"].engine

    def restart() -> None:
        gate = Gate.of(engine)
        getattr(engine, end)()
        if down_s:
            gate.open()
            time.sleep(down_s)  # in three seconds the harness has said all
        engine.start()

    when_measured(fleet, run, restart)
    run.measure()
    assert run.records("t4") == STREAM
    assert any("following again" in remark for remark in run.watcher.remarks)
    assert run.exit_code() == 0


def test_a_record_that_an_engine_loses_is_fetched_from_the_harness(
    fleet: Fleet, run: Trial
) -> None:
    lost = stand_in.Dropped(LAST)
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, lost, *STEPS[len(UNTIL_THEN) + 1 :]])
    run.measure()
    assert run.records("t4") == STREAM
    assert run.watcher.remarks == ["t4: a record did not come; asking the harness for it"]
    assert run.exit_code() == 0


def test_the_last_record_that_an_engine_loses_is_fetched_when_nothing_more_comes(
    fleet: Fleet, run: Trial
) -> None:
    *before, last, linger = STEPS
    assert isinstance(last, bytes)
    trial.ready(fleet, ["t4"], [*before, stand_in.Dropped(last), linger])
    run.measure()
    assert run.records("t4") == STREAM
    assert run.watcher.troubles["t4"] == ""
    assert inside.names(fleet["t4"].engine) == []


def test_a_link_that_is_down_for_ten_seconds_costs_nothing(fleet: Fleet, run: Trial) -> None:
    host = fleet["t4"]
    when_measured(fleet, run, lambda: (host.cut(), later(10, host.mend)))
    run.measure()
    assert run.records("t4") == STREAM
    assert any("the connection broke" in remark for remark in run.watcher.remarks)
    assert run.exit_code() == 0
    assert inside.names(host.engine) == []


def test_a_killed_ssh_session_costs_nothing(fleet: Fleet, run: Trial) -> None:
    when_measured(fleet, run, fleet["t4"].ssh.kill_sessions)
    run.measure()
    assert run.records("t4") == STREAM
    assert run.exit_code() == 0


def test_a_host_that_is_gone_for_good_can_be_followed_when_it_is_back(
    fleet: Fleet, run: Trial
) -> None:
    host = fleet["t4"]
    when_measured(fleet, run, host.cut)
    run.measure(terms=Terms(patience_s=4, silence_s=2))
    assert run.records("a100") == STREAM
    assert STREAM.startswith(run.records("t4"))
    assert 'host "t4" was lost' in run.watcher.troubles["t4"]
    assert f"attach {run.folder.pasted}" in run.watcher.troubles["t4"]
    assert run.verdicts("t4") == ["faster", "failed"]
    assert run.exit_code() == 1
    host.mend()
    run.attach()
    assert run.records("t4") == STREAM
    assert run.verdicts("t4") == ["faster", "faster"]
    assert run.exit_code() == 0
    assert inside.names(host.engine) == []


def break_key(host: BedHost) -> None:
    host.ssh.new_host_key()
    host.ssh.restart()


@pytest.mark.parametrize(
    ("fault", "sentences"),
    [
        (break_key, ("its host key has changed", '-R "10.')),
        (BedHost.forbid_docker, ("may not use Docker's socket", "usermod -aG docker")),
        (lambda host: host.ssh.stop(), ("no SSH server listens there", "systemctl start ssh")),
        (lambda host: host.engine.stop(), ("there is no Docker engine", "systemctl start docker")),
        (
            lambda host: host.ssh.restart("AllowStreamLocalForwarding no"),
            ("the engine does not answer", "AllowStreamLocalForwarding"),
        ),
    ],
)
def test_a_host_that_cannot_be_used_is_named_with_advice_while_the_other_measures(
    fleet: Fleet, run: Trial, fault: trial.Action, sentences: tuple[str, ...]
) -> None:
    fault(fleet["t4"])  # type: ignore[call-arg]
    run.measure()
    for sentence in sentences:
        assert sentence in run.watcher.troubles["t4"]
    assert run.records("a100") == STREAM
    assert run.verdicts("t4") == ["failed", "failed"]
    assert run.exit_code() == 1
    kept = run.folder.meta().troubles["t4.1.jsonl"]  # what the page and a later reader are told
    assert kept == Trouble(run.watcher.troubles["t4"], "host_unavailable", "connecting")


def test_a_machine_without_the_nvidia_runtime_is_named_before_anything_is_built(
    fleet: Fleet, tmp_path: Path
) -> None:
    trial.forget_image(fleet["t4"])
    run = Trial.new(tmp_path, [machine("t4", "0")])
    run.measure()
    assert "Docker cannot give GPUs to containers there" in run.watcher.troubles["t4"]
    assert "NVIDIA Container Toolkit" in run.watcher.troubles["t4"]
    assert run.exit_code() == 3
    assert inside.names(fleet["t4"].engine) == []
    assert list((run.folder.path / "logs").iterdir()) == []


def test_a_toolkit_that_does_not_work_is_named_and_the_container_removed(
    fleet: Fleet, tmp_path: Path
) -> None:
    host = fleet["t4"]
    trial.ready(fleet, ["t4"])
    tools = host.machine.folder / "hook"
    tools.mkdir()
    (tools / "nvidia-container-runtime-hook").touch(0o755)
    host.ssh.restart(f"SetEnv PATH={tools}:/usr/bin:/bin")  # the engine itself knows no hook
    run = Trial.new(tmp_path, [machine("t4", "0")])
    run.measure()
    assert "could not select device driver" in run.watcher.troubles["t4"]
    assert "NVIDIA Container Toolkit" in run.watcher.troubles["t4"]
    assert inside.names(host.engine) == []


TOKEN = "hf_" + "Ab1" * 12


def test_a_token_reaches_standard_input_and_nothing_that_is_kept(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # A library that prints what it was given.
    leak = stand_in.Do('read -r token; echo "$token" | wc -c >&2; echo $token >&2')
    trial.ready(fleet, ["t4"], [leak, *trial.steps_for(trial.PRETRAINED, trial.GATED)])
    run = Trial.new(tmp_path, [machine("t4")], trial.PRETRAINED)
    engine, seen = fleet["t4"].engine, []
    trial.after_the_first_case(run, "t4", engine, lambda: seen.append(inside.inspected(engine)))
    run.measure()
    log = (run.folder.path / "logs" / "t4.1.log").read_text()
    assert log.split() == [str(len(TOKEN) + 1), "***"]
    assert container.HUB_VOLUME in seen[0]
    assert TOKEN not in seen[0]
    run.comparison()
    written = [path for path in run.folder.path.rglob("*") if path.is_file()]
    assert len(written) > 6
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_an_image_that_no_registry_gives_is_named(fleet: Fleet, run: Trial) -> None:
    reference = f"127.0.0.1:9/benchmark@sha256:{'0' * 64}"
    run.measure(source=ImageSource("pull", reference))
    assert "registry" in run.watcher.troubles["a100"]
    assert run.exit_code() == 3


def test_garbage_between_records_costs_no_record(fleet: Fleet, run: Trial) -> None:
    garbage = b'\x00\xff\xfe{"kind": nonsense\n{"kind":"measurement"}\n'
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, garbage, *STEPS[len(UNTIL_THEN) :]])
    run.measure()
    assert run.records("t4") == STREAM
    assert [remark for remark in run.watcher.remarks if "skipped" in remark] != []
    assert run.exit_code() == 0


def test_a_record_of_a_megabyte_arrives_whole(fleet: Fleet, run: Trial) -> None:
    # Engines split what a container prints into messages of 16 KiB.
    measurement = factories.measurement(RESNET)
    update = {"samples_s": (0.0123456789,) * 45_000}
    pair = [block.model_copy(update=update) for block in measurement.blocks[:2]]
    big = measurement.model_copy(update={"blocks": (*pair, *measurement.blocks[2:])})
    stream = lines(factories.started([RESNET], plan_id=PLAN.plan_id), big)
    assert len(stream) > 1 << 20
    trial.ready(fleet, ["t4"], stand_in.steps_of(stream))
    run.measure()
    assert run.records("t4") == stream

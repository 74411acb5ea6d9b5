"""What goes wrong on hosts, for real: which cases survive, what a user is told, the exit code."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

import pytest

from orchestrator.fleet import cleaning
from orchestrator.fleet.cleaning import Wish
from orchestrator.fleet.fleet import InterruptedRunError
from orchestrator.hosts import container
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.records.outcomes import Trouble
from tests import factories
from tests.docker import stand_in, trial
from tests.docker.bed import BedHost, Fleet
from tests.docker.machine import wait_until
from tests.docker.trial import HALF, LAST, PLAN, RESNET, STEPS, STREAM, UNTIL_THEN, Trial, machine
from tests.fake_host import lines
from tests.integration.test_command_line import say

BOTH = ("a100", "t4")


@pytest.fixture(autouse=True)
def reach(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the bed's hosts, and only those, from this process."""
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run(fleet: Fleet, tmp_path: Path) -> Trial:
    """Two healthy hosts with the stand-in, about to measure."""
    trial.ready(fleet, BOTH)
    return Trial.new(tmp_path, [machine(name) for name in BOTH])


def kill_container(host: BedHost) -> None:
    with contextlib.closing(host.engine.client()) as client:
        client.containers.list()[0].kill()


def remove_container(host: BedHost) -> None:
    with contextlib.closing(host.engine.client()) as client:
        client.containers.list()[0].remove(force=True)


def containers(host: BedHost) -> list[str]:
    with contextlib.closing(host.engine.client()) as client:
        return [each.name for each in client.containers.list(all=True)]


def printed(host: BedHost) -> bytes:
    """The records in a host's container, read beside the desk."""
    with contextlib.closing(host.engine.client()) as client:
        return bytes(client.containers.list()[0].logs(stderr=False))


def inspected(host: BedHost) -> str:
    """All that an engine tells of its container."""
    with contextlib.closing(host.engine.client()) as client:
        return json.dumps(client.containers.list()[0].attrs)


def later(seconds: float, *actions: trial.Action) -> None:
    def act() -> None:
        for action in actions:
            action()

    threading.Timer(seconds, act).start()


def test_healthy_hosts_deliver_every_record_and_nothing_is_left(fleet: Fleet, run: Trial) -> None:
    run.measure()
    assert [run.records(name) for name in BOTH] == [STREAM, STREAM]
    assert run.watcher.troubles == {"a100": "", "t4": ""}
    assert run.watcher.remarks == []
    assert run.exit_code() == 0
    assert [containers(fleet[name]) for name in BOTH] == [[], []]


@pytest.mark.parametrize("fault", [kill_container, remove_container])
def test_a_killed_container_costs_the_case_under_way(
    fleet: Fleet, run: Trial, fault: trial.Action
) -> None:
    trial.after_the_first_case(run, "t4", lambda: fault(fleet["t4"]))  # type: ignore[call-arg]
    run.measure()
    assert STREAM.startswith(run.records("t4"))
    assert run.records("a100") == STREAM
    told = run.watcher.troubles["t4"]
    assert "the harness was killed from outside" in told or "somebody removed" in told
    assert "--resume" in run.watcher.troubles["t4"]
    assert run.verdicts("t4")[0] == "faster"
    assert run.verdicts("t4")[1] == "failed"
    assert run.exit_code() == 1
    assert containers(fleet["t4"]) == []


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
        getattr(engine, end)()
        time.sleep(down_s)  # in three seconds the harness has said all
        engine.start()

    trial.after_the_first_case(run, "t4", restart)
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
    assert containers(fleet["t4"]) == []


def test_a_link_that_is_down_for_ten_seconds_costs_nothing(fleet: Fleet, run: Trial) -> None:
    host = fleet["t4"]
    trial.after_the_first_case(run, "t4", lambda: (host.cut(), later(10, host.mend)))
    run.measure()
    assert run.records("t4") == STREAM
    assert any("the connection broke" in remark for remark in run.watcher.remarks)
    assert run.exit_code() == 0
    assert containers(host) == []


def test_a_killed_ssh_session_costs_nothing(fleet: Fleet, run: Trial) -> None:
    trial.after_the_first_case(run, "t4", fleet["t4"].ssh.kill_sessions)
    run.measure()
    assert run.records("t4") == STREAM
    assert run.exit_code() == 0


def test_a_host_that_is_gone_for_good_can_be_followed_when_it_is_back(
    fleet: Fleet, run: Trial
) -> None:
    host = fleet["t4"]
    trial.after_the_first_case(run, "t4", host.cut)
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
    assert containers(host) == []


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
    assert containers(fleet["t4"]) == []
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
    assert containers(host) == []


TOKEN = "hf_" + "Ab1" * 12


def test_a_token_reaches_standard_input_and_nothing_that_is_kept(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # A library that prints what it was given.
    leak = stand_in.Do('read -r token; echo "$token" | wc -c >&2; echo $token >&2')
    trial.ready(fleet, ["t4"], [leak, *trial.steps_for(trial.PRETRAINED)])
    run = Trial.new(tmp_path, [machine("t4")], trial.PRETRAINED)
    seen: list[str] = []
    trial.after_the_first_case(run, "t4", lambda: seen.append(inspected(fleet["t4"])))
    run.measure()
    log = (run.folder.path / "logs" / "t4.1.log").read_text()
    assert log.split() == [str(len(TOKEN) + 1), "***"]
    assert container.HUB_VOLUME in seen[0]
    assert TOKEN not in seen[0]
    run.comparison()
    written = [path for path in run.folder.path.rglob("*") if path.is_file()]
    assert len(written) > 6
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_a_harness_that_nobody_follows_is_told_when_to_end(fleet: Fleet, run: Trial) -> None:
    trial.after_the_first_case(run, "t4", press_ctrl_c)
    with pytest.raises(InterruptedRunError):
        run.measure(detach=True, terms=Terms(limit_s=7200, patience_s=60, silence_s=3))
    assert '"--limit-s", "7200"' in inspected(fleet["t4"])


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


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def leave_running(run: Trial) -> None:
    """Detach with Ctrl-C after the first result of t4."""
    trial.after_the_first_case(run, "t4", press_ctrl_c)
    with pytest.raises(InterruptedRunError) as caught:
        run.measure(detach=True)
    not_over = {one.name for one in run.machines} - run.watcher.troubles.keys()
    assert set(caught.value.running) == not_over
    assert "t4" in not_over


def test_ctrl_c_detaches_when_asked_and_attach_finishes_the_run(fleet: Fleet, run: Trial) -> None:
    leave_running(run)
    assert [len(containers(fleet[name])) for name in BOTH] == [1, 1]
    assert run.verdicts("t4") == ["faster", "missing"]
    run.attach()
    assert [run.records(name) for name in BOTH] == [STREAM, STREAM]
    assert run.exit_code() == 0
    assert [containers(fleet[name]) for name in BOTH] == [[], []]


def test_what_still_measures_is_not_begun_again_and_attach_finishes_it(
    fleet: Fleet, run: Trial
) -> None:
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, stand_in.pause(6), *STEPS[len(UNTIL_THEN) :]])
    leave_running(run)
    run.folder.mark_followed("t4.1.jsonl")  # as after a kill -9, which marks nothing
    run.measure()
    assert 'host "t4" still measures for this run' in run.watcher.skips["t4"]
    assert f"attach {run.folder.pasted}" in run.watcher.skips["t4"]
    assert "t4" not in run.watcher.troubles
    assert run.verdicts("t4") == ["faster", "missing"]
    assert list(run.folder.attempts("t4")) == ["t4.1.jsonl"]
    run.attach()
    assert run.watcher.troubles["t4"] == ""
    assert run.records("t4") == STREAM
    assert run.exit_code() == 0


def test_a_desk_that_could_not_connect_leaves_nothing_to_attach_to(
    fleet: Fleet, run: Trial
) -> None:
    leave_running(run)
    host = fleet["t4"]
    host.ssh.stop()
    run.measure()
    assert "no SSH server listens there" in run.watcher.troubles["t4"]
    host.ssh.restart()
    run.attach()
    assert run.watcher.troubles["t4"] == ""
    assert run.records("t4") == STREAM
    assert run.exit_code() == 0


def test_a_host_that_still_measures_refuses_another_run(fleet: Fleet, tmp_path: Path) -> None:
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, stand_in.HANG])
    first, second = (Trial.new(tmp_path, [machine("t4")]) for _ in range(2))
    leave_running(first)
    second.measure()
    assert 'host "t4" is busy' in second.watcher.troubles["t4"]
    assert first.folder.path.name in second.watcher.troubles["t4"]
    assert second.exit_code() == 3


def test_clean_keeps_what_measures_or_was_not_fetched_unless_forced(
    fleet: Fleet, run: Trial
) -> None:
    def cleaned(*, force: bool = False) -> str:
        wish = Wish(run.folder.path.name, force=force)
        (done,) = cleaning.clean([machine("t4")], wish, run.folder.path.parent)
        return " ".join([*done.removed, *done.kept, done.failed])

    leave_running(run)
    assert "is still measuring" in cleaned()
    by_path = say("clean", str(run.folder.path))  # which lies in no folder called reports
    assert f"is still measuring. Follow it:  python orchestrate.py attach {run.folder.pasted}" in (
        by_path.out
    )
    kill_container(fleet["t4"])
    assert "has records to fetch" in cleaned()
    assert len(containers(fleet["t4"])) == 1
    assert "container torch-compile-benchmark-" in cleaned(force=True)
    assert containers(fleet["t4"]) == []
    assert cleaned() == ""


def test_clean_removes_what_was_fetched_to_its_end(fleet: Fleet, run: Trial) -> None:
    leave_running(run)
    wait_until(lambda: printed(fleet["t4"]) == STREAM, "the harness has said all")
    path = run.folder.path / "records" / "t4.1.jsonl"
    path.write_bytes(STREAM)  # as when the desk died between the last record and the removal
    (done,) = cleaning.clean([machine("t4")], Wish(), run.folder.path.parent)
    assert len(done.removed) == 1
    assert containers(fleet["t4"]) == []


def test_attach_removes_what_was_fetched_before_the_terminal_died(fleet: Fleet, run: Trial) -> None:
    leave_running(run)
    wait_until(lambda: printed(fleet["t4"]) == STREAM, "the harness has said all")
    (run.folder.path / "records" / "t4.1.jsonl").write_bytes(STREAM)
    said = say("attach", str(run.folder.path), "--progress", "plain")
    assert said.code == 0
    assert "t4: nothing is under way here any more" in said.err
    assert run.records("a100") == STREAM
    assert [containers(fleet[name]) for name in BOTH] == [[], []]


def test_ctrl_c_stops_the_harnesses_and_leaves_nothing(fleet: Fleet, run: Trial) -> None:
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, trial.LINGER])
    trial.after_the_first_case(run, "t4", press_ctrl_c)
    with pytest.raises(InterruptedRunError) as caught:
        run.measure()
    assert caught.value.running == ()
    assert [containers(fleet[name]) for name in BOTH] == [[], []]
    assert run.verdicts("t4") == ["faster", "missing"]
    assert PLAN.plan_id == run.folder.plan().plan_id

"""Leaving hosts to themselves and coming back: Ctrl-C, detach, attach, resume, clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.fleet import cleaning
from orchestrator.fleet.fleet import InterruptedRunError
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.kinds.leftovers import Wish
from tests.docker import inside, trial
from tests.docker.bed import Fleet
from tests.docker.inside import Gate
from tests.docker.machine import wait_until
from tests.docker.trial import PLAN, STREAM, TERMS, UNTIL_THEN, Trial, machine
from tests.integration.test_command_line import say

BOTH = ("a100", "t4")
pytestmark = pytest.mark.usefixtures("reach")


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def leave_running(fleet: Fleet, run: Trial, terms: Terms = TERMS) -> list[Gate]:
    """Detach with Ctrl-C after the first result of t4. Returns: where the harnesses wait then."""
    names = [one.name for one in run.machines]
    trial.ready(fleet, names, trial.GATED)
    trial.hold_after_the_first_case(run, "t4", press_ctrl_c)
    with pytest.raises(InterruptedRunError) as caught:
        run.measure(detach=True, terms=terms)
    assert sorted(caught.value.running) == sorted(names)
    return [Gate.of(fleet[name].engine) for name in names]


def let_go_on(gates: list[Gate]) -> None:
    for gate in gates:
        gate.open()


def test_a_harness_that_nobody_follows_is_told_when_to_end(fleet: Fleet, run: Trial) -> None:
    leave_running(fleet, run, Terms(limit_s=7200, patience_s=60, silence_s=3))
    assert '"--limit-s", "7200"' in inside.inspected(fleet["t4"].engine)


def test_ctrl_c_detaches_when_asked_and_attach_finishes_the_run(fleet: Fleet, run: Trial) -> None:
    gates = leave_running(fleet, run)
    assert [len(inside.names(fleet[name].engine)) for name in BOTH] == [1, 1]
    assert run.verdicts("t4") == ["faster", "missing"]
    let_go_on(gates)
    run.attach()
    assert [run.records(name) for name in BOTH] == [STREAM, STREAM]
    assert run.exit_code() == 0
    assert [inside.names(fleet[name].engine) for name in BOTH] == [[], []]


def test_what_still_measures_is_not_begun_again_and_attach_finishes_it(
    fleet: Fleet, run: Trial
) -> None:
    gates = leave_running(fleet, run)
    run.folder.mark_followed("t4.1.jsonl")  # as after a kill -9, which marks nothing
    run.measure()
    assert 'host "t4" still measures for this run' in run.watcher.skips["t4"]
    assert f"attach {run.folder.pasted}" in run.watcher.skips["t4"]
    assert "t4" not in run.watcher.troubles
    assert run.verdicts("t4") == ["faster", "missing"]
    assert list(run.folder.attempts("t4")) == ["t4.1.jsonl"]
    let_go_on(gates)
    run.attach()
    assert run.watcher.troubles["t4"] == ""
    assert run.records("t4") == STREAM
    assert run.exit_code() == 0


def test_a_desk_that_could_not_connect_leaves_nothing_to_attach_to(
    fleet: Fleet, run: Trial
) -> None:
    let_go_on(leave_running(fleet, run))
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
    first, second = (Trial.new(tmp_path, [machine("t4")]) for _ in range(2))
    leave_running(fleet, first)
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

    leave_running(fleet, run)
    assert "is still measuring" in cleaned()
    by_path = say("clean", str(run.folder.path))  # which lies in no folder called reports
    assert f"is still measuring. Follow it:  python orchestrate.py attach {run.folder.pasted}" in (
        by_path.out
    )
    inside.kill(fleet["t4"].engine)
    assert "has records to fetch" in cleaned()
    assert len(inside.names(fleet["t4"].engine)) == 1
    assert "container torch-compile-benchmark-" in cleaned(force=True)
    assert inside.names(fleet["t4"].engine) == []
    assert cleaned() == ""


def test_clean_removes_what_was_fetched_to_its_end(fleet: Fleet, run: Trial) -> None:
    let_go_on(leave_running(fleet, run))
    wait_until(lambda: inside.printed(fleet["t4"].engine) == STREAM, "the harness has said all")
    path = run.folder.path / "records" / "t4.1.jsonl"
    path.write_bytes(STREAM)  # as when the desk died between the last record and the removal
    (done,) = cleaning.clean([machine("t4")], Wish(), run.folder.path.parent)
    assert len(done.removed) == 1
    assert inside.names(fleet["t4"].engine) == []


def test_attach_removes_what_was_fetched_before_the_terminal_died(fleet: Fleet, run: Trial) -> None:
    let_go_on(leave_running(fleet, run))
    wait_until(lambda: inside.printed(fleet["t4"].engine) == STREAM, "the harness has said all")
    (run.folder.path / "records" / "t4.1.jsonl").write_bytes(STREAM)
    said = say("attach", str(run.folder.path), "--progress", "plain")
    assert said.code == 0
    assert "t4: nothing is under way here any more" in said.err
    assert run.records("a100") == STREAM
    assert [inside.names(fleet[name].engine) for name in BOTH] == [[], []]


def test_ctrl_c_stops_the_harnesses_and_leaves_nothing(fleet: Fleet, run: Trial) -> None:
    trial.ready(fleet, ["t4"], [*UNTIL_THEN, trial.LINGER])
    trial.hold_after_the_first_case(run, "t4", press_ctrl_c)
    with pytest.raises(InterruptedRunError) as caught:
        run.measure()
    assert caught.value.running == ()
    assert [inside.names(fleet[name].engine) for name in BOTH] == [[], []]
    assert run.verdicts("t4") == ["faster", "missing"]
    assert PLAN.plan_id == run.folder.plan().plan_id

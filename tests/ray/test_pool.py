"""Pools on a real cluster: placement, order, and whatever can go wrong with it."""

from __future__ import annotations

import signal
import time
from urllib.parse import urlsplit

import pytest

from harness.contract.plan import Case, Plan
from orchestrator.fleet.fleet import InterruptedRunError
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.jobs import JobRequest
from orchestrator.hosts.pooled import connect
from orchestrator.inventory.pools import PoolMachine
from tests import factories
from tests.ray import proxy
from tests.ray.cluster import TOKEN, Cluster
from tests.ray.trial import (
    CASES,
    Trial,
    killed_in_the_end,
    press_ctrl_c,
    soon,
    wait_for,
    when,
)

A100 = ("127.77.0.2", "127.77.0.3")


def only(*cases: Case) -> Plan:
    return factories.plan(cases, weights="random")


ONE, TWO = only(CASES[0]), only(*CASES[:2])


def test_cases_go_to_nodes_of_the_kind_and_their_records_arrive_whole(trial: Trial) -> None:
    outcome = trial.measure(trial.pool())
    trial.require_nothing_spliced()
    assert outcome.ending == "finished"
    nodes = {origin.node for origin in outcome.origins.values()}
    assert {trial.cluster.address_of(node) for node in nodes} == set(A100)
    assert {origin.gpu_uuid for origin in outcome.origins.values()} == {f"GPU-{n}" for n in A100}
    assert {origin.number for origin in outcome.origins.values()} == {1}
    assert all(len(nodes) == 1 for nodes in trial.ran().values())
    sizes = [len(line) for path in (trial.folder.path / "records").glob("*.jsonl")
             for line in path.read_bytes().splitlines()]  # fmt: skip
    assert max(sizes) > 65_536
    log = next((trial.folder.path / "logs").iterdir()).read_text()
    assert "a library says hello" in log


def test_a_tail_that_is_cut_is_taken_up_again_and_costs_no_record(trial: Trial) -> None:
    trial.play(TWO, pace_s=0.4)
    where = urlsplit(trial.cluster.url)
    assert where.hostname is not None
    assert where.port is not None
    with proxy.linked(where.hostname, where.port) as link:
        trial.watcher.act = lambda: [soon(link.cut, delay) for delay in (0.2, 1.7)]
        trial.measure(trial.pool(ray=link.url))
        assert link.cuts == 2
    trial.require_nothing_spliced()
    assert any("following again" in remark for remark in trial.watcher.remarks)


def test_a_case_whose_node_is_killed_is_measured_again_and_never_spliced(trial: Trial) -> None:
    trial.play(pace_s=0.7)
    victim = trial.cluster.nodes["a2"]
    trial.watcher.act = lambda: when(lambda: trial.is_measuring_on(victim.address), victim.kill)
    try:
        outcome = trial.measure(trial.pool())
    finally:
        trial.cluster.join(victim)
    trial.require_nothing_spliced()
    repeated = [case_id for case_id, nodes in trial.ran().items() if len(nodes) > 1]
    assert repeated
    for case_id in repeated:
        assert outcome.origins[case_id].number == 2
        assert trial.cluster.address_of(outcome.origins[case_id].node) == A100[0]
        assert any(case_id in remark and "repeated" in remark for remark in outcome.remarks)
    assert "was repeated" in trial.page()


def kill_the_desk(trial: Trial, machine: PoolMachine) -> list[str]:
    """In the middle of its first cases. Returns: the jobs that are under way then."""
    folder = trial.new(machine)
    with killed_in_the_end(trial.desk("--resume", str(folder.path), "--progress", "plain")) as desk:
        wait_for(lambda: any(note.node for note in folder.jobs("a100").values()))
        time.sleep(0.5)
        desk.send_signal(signal.SIGKILL)
        desk.wait()
    return [note.job for note in folder.jobs("a100").values() if not note.end]


@pytest.mark.parametrize("command", ["attach", "--resume"])
def test_a_desk_that_is_killed_loses_nothing_and_the_next_goes_on(
    trial: Trial, command: str
) -> None:
    trial.play(TWO, pace_s=0.3)
    trial.inventory(workers=1)
    under_way = kill_the_desk(trial, trial.pool(workers=1))
    assert len(under_way) == 1
    with killed_in_the_end(trial.desk(command, str(trial.folder.path))) as again:
        told, _ = again.communicate(timeout=90)
    assert again.returncode == 0, told
    trial.require_nothing_spliced()
    notes = trial.folder.jobs("a100").values()
    assert {note.job for note in notes} > set(under_way)
    assert {case_id: len(nodes) for case_id, nodes in trial.ran().items()} == {
        case.case_id: 1 for case in TWO.attempts()
    }


def test_a_job_that_is_submitted_twice_runs_once(trial: Trial) -> None:
    pool = trial.pool().pool
    assert pool is not None
    jobs = connect(pool)
    jobs.keep_package("_ray_pkg_empty.zip", b"PK\5\6" + b"\0" * 18)
    once = f"twice-{time.monotonic_ns()}"
    request = JobRequest(once, f"echo ran >> {trial.output}/ran", "_ray_pkg_empty.zip", "A100")
    jobs.submit(request)
    jobs.submit(request)

    def ended() -> bool:
        state = jobs.state(once)
        return state is not None and state.ended

    wait_for(ended)
    assert (trial.output / "ran").read_text() == "ran\n"
    jobs.delete(once)
    assert jobs.state(once) is None
    jobs.close()


def test_ctrl_c_stops_the_jobs_and_resume_measures_the_rest(trial: Trial) -> None:
    trial.play(TWO, pace_s=0.5)
    trial.watcher.act = lambda: soon(press_ctrl_c, 0.5)
    machine = trial.pool()
    with pytest.raises(InterruptedRunError) as caught:
        trial.measure(machine)
    assert caught.value.running == ()
    assert trial.outcome("a100").ending == "interrupted"
    pool = machine.pool
    assert pool is not None
    jobs = connect(pool)
    names = {note.job for note in trial.folder.jobs("a100").values()}
    wait_for(lambda: all(job.ended for job in jobs.jobs() if job.id in names))
    jobs.close()
    trial.play(pace_s=0.05)
    trial.measure(machine)
    trial.require_nothing_spliced()


def test_ctrl_c_leaves_the_jobs_when_asked_and_attach_finishes(trial: Trial) -> None:
    trial.play(TWO, pace_s=0.5)
    trial.watcher.act = lambda: soon(press_ctrl_c, 0.5)
    machine = trial.pool()
    with pytest.raises(InterruptedRunError) as caught:
        trial.measure(machine, detach=True)
    assert caught.value.running == ("a100",)
    trial.attach(machine)
    trial.require_nothing_spliced()
    assert all(len(nodes) == 1 for nodes in trial.ran().values())


def test_a_token_that_is_refused_is_named(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong-" + TOKEN)
    outcome = trial.measure(trial.pool())
    assert "it refuses the token" in trial.watcher.troubles["a100"]
    assert TOKEN not in trial.watcher.troubles["a100"]
    assert outcome.measurements == {}
    trial.made = None
    trial.measure(trial.pool(token_env=None))
    assert "it wants a token" in trial.watcher.troubles["a100"]


def test_an_accelerator_that_no_node_has_is_named_with_what_there_is(trial: Trial) -> None:
    trial.measure(trial.pool(accelerator="H100"), terms=Terms(patience_s=3, silence_s=8))
    trouble = trial.watcher.troubles["a100"]
    assert "its cluster has no H100 node (there is: 2 × A100, 1 × T4)" in trouble
    assert trial.ran() == {}


def test_nodes_that_others_keep_busy_are_waited_for_and_then_named(trial: Trial) -> None:
    pool = trial.pool().pool
    assert pool is not None
    jobs = connect(pool)
    jobs.keep_package("_ray_pkg_empty.zip", b"PK\5\6" + b"\0" * 18)
    busy = [f"busy-{time.monotonic_ns()}-{number}" for number in range(2)]
    for name in busy:
        jobs.submit(JobRequest(name, "sleep 60", "_ray_pkg_empty.zip", "A100", gpus=2))
    wait_for(lambda: all((s := jobs.state(n)) and s.status == "RUNNING" for n in busy))
    trial.measure(trial.pool(), terms=Terms(patience_s=3, silence_s=8))
    for name in busy:
        jobs.stop(name)
    jobs.close()
    assert "no A100 node was free for" in trial.watcher.troubles["a100"]
    assert "waiting for a free A100 node" in trial.watcher.doings


def test_a_harness_that_breaks_off_costs_its_case_alone(trial: Trial) -> None:
    broken = CASES[1]
    trial.play(TWO, codes={broken.case_id: 3})
    path = trial.cluster.stage / broken.case_id.replace("/", "_")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    outcome = trial.measure(trial.pool())
    assert list(outcome.measurements) == [CASES[0].case_id]
    assert outcome.failures[broken.case_id].reason == "crash"
    assert "ended with exit code 3" in outcome.failures[broken.case_id].message
    assert len(trial.ran()[broken.case_id]) == 1


def test_a_pool_by_a_resource_finds_its_nodes(trial: Trial) -> None:
    trial.play(ONE)
    outcome = trial.measure(trial.pool(resource="slot"))
    assert list(outcome.measurements) == [CASES[0].case_id]


def test_a_tiny_case_is_measured_for_real_on_both_nodes_and_alone(
    trial: Trial,
) -> None:
    case, eager = (factories.case("resnet-50", 1, recipe) for recipe in ("aot_eager", "eager"))
    protocol = {"iterations": 20, "max_blocks": 10, "warmup_min_s": 0.0, "energy_s": 0.0}
    trial.plan = factories.plan(
        [case], weights="random", size="tiny", protocol=protocol,
        picture={"url": "", "fallback": True}, noise_floor=(eager,),
    )  # fmt: skip
    trial.cluster.measures.touch()
    try:
        outcome = trial.measure(trial.pool(resource="slot", workers=2, gpu="none", controls=True))
    finally:
        trial.cluster.measures.unlink()
    assert outcome.ending == "finished"
    assert sorted(outcome.measurements) == [case.case_id, eager.case_id]
    beside, alone = outcome.controls
    assert (beside.alone, alone.alone) == (False, True)
    assert {beside.measurement.case_id, alone.measurement.case_id} == {case.case_id}
    assert outcome.origins[case.case_id].node != beside.origin.node
    page = " ".join(trial.page().split())
    assert "resnet-50 b1 was measured on 2 nodes at once: between two of them eager" in page
    assert "Measured once more with no other worker busy: eager times differed by" in page


def test_the_cluster_is_as_it_was(cluster: Cluster) -> None:
    assert set(cluster.alive()) == {f"127.77.0.{number}" for number in (1, 2, 3, 4)}

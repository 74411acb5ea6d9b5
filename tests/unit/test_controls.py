"""Cases that a pool measures once more: when, how many, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.contract.plan import CaseAttempt
from orchestrator import estimate
from orchestrator.fleet import attaching, controls
from orchestrator.fleet.dispatch import Dispatch, Turn
from orchestrator.hosts.jobs import JobRequest
from orchestrator.inventory.pools import Pool, PoolMachine
from orchestrator.records.journal import JobNote
from orchestrator.records.outcomes import HostOutcome
from tests.fake_cluster import MemoryCluster
from tests.unit.test_dispatch import take
from tests.unit.test_pool_work import CASES, PLAN, Run

LIGHTEST = CASES[0]
ATTEMPTS = [CaseAttempt(case=each) for each in CASES]


def wanted(
    workers: int,
    left: Sequence[CaseAttempt] = ATTEMPTS,
    notes: Sequence[JobNote] = (),
    *,
    on: bool = True,
) -> list[str]:
    pool = Pool("http://127.0.0.1:8265", "A100", workers=workers, controls=on)
    found = controls.turns(
        PLAN, left, notes, pool.controlled, lambda case: estimate.share_s(PLAN, case)
    )
    assert {turn.attempt for turn in found} <= {ATTEMPTS[0]}
    return [turn.control for turn in found]


def note(control: str, end: str = "whole") -> JobNote:
    return JobNote("a.1.jsonl", "j", LIGHTEST.case_id, 1, end=end, control=control)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (wanted(2), ["beside", "alone"]),
        (wanted(4), ["beside", "beside", "alone"]),  # a fourth of eight cases
        (wanted(2, ATTEMPTS[:2]), ["beside", "alone"]),
        (wanted(1), []),
        (wanted(4, on=False), []),
        (wanted(4, ATTEMPTS[:1]), []),
        (wanted(4, ATTEMPTS[1:]), ["alone"]),  # it was measured by an earlier desk
        (wanted(4, notes=[note("beside")]), ["alone"]),
        (wanted(4, notes=[note("alone")]), []),
        (wanted(4, notes=[note("alone", "stopped")]), ["beside", "beside", "alone"]),
    ],
)
def test_how_many_there_are(found: list[str], expected: list[str]) -> None:
    assert found == expected


def test_the_first_are_taken_together_with_their_case_and_the_last_by_itself() -> None:
    more = (Turn(ATTEMPTS[0], control="beside", copy=1), Turn(ATTEMPTS[0], control="alone"))
    of = Dispatch(ATTEMPTS[:3], lambda case: float(case.batch_size), 3, lambda: 0.0, more)
    taken = [take(of), take(of), take(of)]
    assert [(t.attempt.case.batch_size, t.control) for t in taken] == [
        (1, ""),
        (1, "beside"),
        (3, ""),
    ]
    of.done(taken[0])
    last = take(of)
    assert last.attempt.case.batch_size == 2
    for turn in taken[1:]:
        of.done(turn)
        assert of.take() is None
    of.done(last)
    alone = of.take()
    assert alone == more[1]


def case_ids(requests: Sequence[JobRequest]) -> list[str]:
    return [request.metadata["torch-compile-benchmark.case"] for request in requests]


def controls_of(outcome: HostOutcome) -> list[tuple[str, bool]]:
    return [(one.origin.node, one.alone) for one in outcome.controls]


def test_a_pool_measures_its_lightest_case_on_several_at_once_and_on_one_alone(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, cards=3, slow={"10.0.0.2": 2.0}), controls=True)
    outcome = run.measure()
    submitted = case_ids(run.cluster.requests)
    assert submitted[:3] == [LIGHTEST.case_id] * 3
    assert submitted[-1] == LIGHTEST.case_id
    assert len(submitted) == len(CASES) + 3
    assert sorted(outcome.measurements) == sorted(case.case_id for case in CASES)
    assert [alone for _, alone in controls_of(outcome)] == [False, False, True]
    own = outcome.origins[LIGHTEST.case_id]
    assert len({own.node, *(node for node, _ in controls_of(outcome)[:2])}) == 3
    assert (outcome.ending, outcome.remarks) == ("finished", ())
    told = [record for record in run.watcher.records if record.kind == "measurement"]
    assert len(told) == len(CASES)
    assert run.watcher.troubles == {"a100": ""}


def test_a_control_that_fails_costs_nothing(tmp_path: Path) -> None:
    """Nine losses: the case itself and its controls are lost whenever they are tried."""
    cluster = MemoryCluster(PLAN, losses={LIGHTEST.case_id: 9})
    run = Run(tmp_path, cluster, controls=True)
    outcome = run.measure()
    assert outcome.controls == ()
    assert case_ids(cluster.requests).count(LIGHTEST.case_id) == 3 + 3  # tries, and controls
    assert len(outcome.measurements) == len(CASES) - 1
    assert list(outcome.failures) == [LIGHTEST.case_id]


def test_whoever_attaches_takes_up_a_control_that_was_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, MemoryCluster(PLAN, cards=3), controls=True)
    before = run.measure()
    journal = run.folder.path / "jobs" / "a100.jsonl"
    noted = [line for line in journal.read_bytes().splitlines() if line]
    journal.write_bytes(b"\n".join(noted[:-1]) + b"\n")  # the end of the last, which is alone
    name = max(run.folder.jobs("a100").values(), key=lambda of: of.control == "alone").attempt
    path = run.folder.path / "records" / name
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert len(run.folder.outcomes()[0].controls) == 2
    pool = Pool("http://127.0.0.1:8265", "A100", workers=3)
    monkeypatch.setattr("orchestrator.hosts.pooled.connect", lambda _pool: run.cluster)
    submitted = len(run.cluster.requests)
    terms = attaching.Terms()
    attaching.attach(run.folder, [PoolMachine("a100", pool)], run.watcher, terms)
    after = run.folder.outcomes()[0]
    assert len(run.cluster.requests) == submitted
    assert controls_of(after) == controls_of(before)
    assert after.ending == "finished"

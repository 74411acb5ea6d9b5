from __future__ import annotations

import pytest

from harness.contract.plan import Case
from harness.contract.records import CaseStarted, Measurement
from orchestrator.cli import host_state
from orchestrator.cli.host_state import HostState
from tests import factories

RESNET, RESNET4 = factories.case("resnet-50"), factories.case("resnet-50", batch_size=4)
BEIT16 = factories.case("beit-base", batch_size=16)
TUNED = factories.case("resnet-50", recipe="max-autotune")


def measured(case: Case, *, compile_s: float, timed_s: float) -> Measurement:
    stages = {"build": 1.0, "compile": compile_s - 1.0, "measure": timed_s}
    record = factories.measurement(case)
    return record.model_copy(update={"stage_s": stages, "start_up_s": 0.0})


def begun(*cases: Case) -> HostState:
    """A host that is to measure these, on a clock that stands still."""
    state = HostState(clock=lambda: 0.0)
    state.take(factories.started(cases))
    return state


def test_nothing_is_promised_before_a_case_was_seen() -> None:
    assert begun(RESNET, RESNET4).left_s() is None


def test_time_left_is_compiling_as_seen_and_timing_in_proportion() -> None:
    state = begun(RESNET, RESNET4, BEIT16)
    state.take(measured(RESNET, compile_s=30, timed_s=6))
    small, larger, largest = map(host_state.estimate.t4_call_s, (RESNET, RESNET4, BEIT16))
    expected_s = 30 + 6 * larger / small + 30 + 6 * largest / small
    assert state.left_s() == pytest.approx(expected_s)
    assert largest > larger > small


def test_compiling_is_expected_to_take_what_it_took_in_the_same_mode() -> None:
    state = begun(RESNET, TUNED, factories.case("resnet-50", recipe="max-autotune", batch_size=4))
    state.take(measured(RESNET, compile_s=10, timed_s=0))
    assert state.left_s() == pytest.approx(20)
    state.take(measured(TUNED, compile_s=300, timed_s=0))
    assert state.left_s() == pytest.approx(300)


def test_time_spent_on_the_running_case_is_not_left() -> None:
    now_s = 0.0
    state = HostState(clock=lambda: now_s)
    state.take(factories.started([RESNET, RESNET4]))
    state.take(measured(RESNET, compile_s=30, timed_s=0))
    state.take(CaseStarted(case_id=RESNET4.case_id, stage="build"))
    now_s = 12.0
    state.take(CaseStarted(case_id=RESNET4.case_id, stage="compile"))
    assert state.left_s() == pytest.approx(18)
    now_s = 99.0
    assert state.left_s() == 0.0


def test_what_a_host_out_of_reach_does_is_not_claimed_until_it_is_heard_of() -> None:
    now_s = 0.0
    state = HostState(clock=lambda: now_s)
    state.take(factories.started([RESNET, RESNET4]))
    state.take(CaseStarted(case_id=RESNET.case_id, stage="compile"))
    state.lose_touch()
    now_s = 30.0
    state.lose_touch()  # tried again
    assert state.now == "ResNet eager b1 · out of reach".replace("eager", RESNET.mode)
    assert state.stage_s() == 30.0
    state.take(measured(RESNET, compile_s=30, timed_s=6))
    assert state.now.endswith("· compiling")


def test_gpus_of_one_host_share_the_time_that_is_left() -> None:
    state = begun(RESNET, RESNET4)
    state.take(factories.started([BEIT16, TUNED]))
    assert state.total == 4
    state.take(measured(RESNET, compile_s=30, timed_s=0))
    assert state.left_s() == pytest.approx(3 * 30 / 2)


def test_a_host_that_has_ended_has_no_time_left() -> None:
    state = begun(RESNET, RESNET4)
    state.take(measured(RESNET, compile_s=30, timed_s=0))
    state.end("gone")
    assert state.left_s() is None
    assert state.recap() == "1 of 2 cases measured, then lost, in 0 s\n  gone"


def test_failures_count_as_done_and_are_named_in_the_recap() -> None:
    state = begun(RESNET, RESNET4, BEIT16)
    state.take(factories.failure(RESNET))
    state.take(factories.failure(RESNET4))
    line = state.take(factories.failure(BEIT16, "timeout", "too slow"))
    assert line is not None
    assert (line.kind, line.text) == ("failure", "[3/3] BeiT default b16: ✕ timeout: too slow")
    assert state.recap() == "0 of 3 cases measured, 3 failed (2 OOM, timeout), in 0 s"


def test_an_id_that_names_no_case_does_no_harm() -> None:
    state = HostState()
    state.take(factories.started([RESNET]).model_copy(update={"case_ids": ("nonsense", "a/b/c/d")}))
    state.take(measured(RESNET, compile_s=1, timed_s=1))
    assert state.left_s() is not None


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (36_000, "10.0 h")],
)
def test_durations_are_rounded_for_people(value_s: float, text: str) -> None:
    assert host_state.duration(value_s) == text


def test_one_more_worker_of_a_pool_is_no_news() -> None:
    state = HostState()
    assert state.take(factories.started([BEIT16, TUNED])) is not None
    assert state.take(factories.started()) is None
    assert state.total == 2


def test_one_more_gpu_says_how_many_share_the_cases() -> None:
    state = HostState()
    state.take(factories.started([BEIT16]))
    line = state.take(factories.started([TUNED]))
    assert line is not None
    assert line.text == "A100-SXM4-40GB, 1 more of now 2 cases on 2 GPUs"


def test_what_ends_a_host_is_no_failed_case_and_stays_known_to_its_end() -> None:
    state = begun(RESNET, RESNET4)
    state.take(measured(RESNET, compile_s=10, timed_s=1))
    line = state.take(factories.failure(None, "host_unavailable", "the GPU stopped\nanswering"))
    assert line is not None
    assert line.text == "✕ the GPU stopped answering"
    state.end("")
    assert (state.phase, state.done) == ("lost", 1)
    recap = state.recap()
    assert recap.startswith("1 of 2 cases measured, then lost, in")
    assert recap.endswith("\n  the GPU stopped answering")

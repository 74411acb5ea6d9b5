from __future__ import annotations

import pytest

from harness.records import CaseStarted
from orchestrator import progress
from orchestrator.progress import HostState, PlainProgress
from tests import factories

RESNET = factories.case("resnet-50")
VIT = factories.case("vit-base", batch_size=4, mode="reduce-overhead", precision="float16")


def test_each_event_becomes_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainProgress({"local": HostState()})
    view.saw("local", factories.started([RESNET, VIT]))
    view.saw("local", CaseStarted(case_id=RESNET.case_id, stage="compile"))
    view.saw("local", factories.measurement(RESNET, eager_s=0.020, compiled_s=0.010))
    view.saw("local", factories.failure(VIT, "oom", "CUDA out of\nmemory"))
    view.noted("local", "line 3 skipped")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.replace("\N{NO-BREAK SPACE}", " ").splitlines() == [
        "local: A100-SXM4-40GB, torch 2.13.0, 2 cases",
        "local: [1/2] ResNet default b1: 20.0 ms eager, 10.0 ms compiled, 2.00× ▲ faster",
        "local: [2/2] ViT reduce-overhead float16 b4: ✕ OOM: CUDA out of memory",
        "local: ⚠ line 3 skipped",
    ]


def test_time_left_follows_from_the_cases_seen_so_far() -> None:
    state = HostState()
    state.take(factories.started([RESNET, VIT]))
    assert state.left_s() is None
    state.take(factories.measurement(RESNET))
    left_s = state.left_s()
    assert left_s is not None
    assert left_s >= 0


def test_what_a_host_sends_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainProgress({"local": HostState()})
    view.saw("local", factories.failure(RESNET, "error", "\x1b[2Jgone\r\nnext"))
    assert capsys.readouterr().err == "local: ResNet default b1: ✕ error: [2Jgone next\n"


@pytest.mark.parametrize(
    ("choice", "terminal", "ci", "dumb", "style"),
    [
        ("auto", True, False, False, "live"),
        ("auto", False, False, False, "plain"),
        ("auto", True, True, False, "plain"),
        ("auto", True, False, True, "plain"),
        ("none", True, False, False, "none"),
        ("plain", True, False, False, "plain"),
        ("live", False, True, True, "live"),
    ],
)
def test_a_live_view_is_for_terminals(
    choice: str, terminal: bool, ci: bool, dumb: bool, style: str
) -> None:
    assert progress.style_for(choice, terminal=terminal, ci=ci, dumb=dumb) == style


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (36_000, "10.0 h")],
)
def test_durations_are_rounded_for_people(value_s: float, text: str) -> None:
    assert progress.duration(value_s) == text

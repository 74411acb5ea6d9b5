from __future__ import annotations

import pytest
from rich.console import Console

from harness.contract.records import CaseStarted
from orchestrator.cli import progress
from orchestrator.cli.host_state import HostState
from orchestrator.cli.progress import LiveProgress, PlainProgress
from tests import factories

RESNET = factories.case("resnet-50")
VIT = factories.case("vit-base", batch_size=4, recipe="reduce-overhead", precision="float16")
LONG = factories.case("convnext-large", batch_size=16, recipe="max-autotune-no-cudagraphs")
# As long as RESNET: 5 s to start and 6 s of timing, as the factories have it.
TWIN = factories.case("resnet-50", recipe="reduce-overhead", precision="float16")


class FakeClock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def plain(*hosts: str) -> tuple[PlainProgress, FakeClock]:
    clock = FakeClock()
    return PlainProgress({host: HostState(clock) for host in hosts}, clock), clock


def drawn(states: dict[str, HostState], width: int, height: int = 24) -> list[str]:
    """The lines of the live part as a terminal of this size shows them."""
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(LiveProgress(states, console))
    return capture.get().replace("\N{NO-BREAK SPACE}", " ").splitlines()


def fleet_of(count: int, clock: FakeClock) -> dict[str, HostState]:
    """Hosts that each measured one of two cases, and now compile the other."""
    states = {f"gpu-{number:02}": HostState(clock) for number in range(count)}
    for state in states.values():
        state.take(factories.started([RESNET, TWIN]))
        state.take(factories.measurement(RESNET))
        state.take(CaseStarted(case_id=TWIN.case_id, stage="build"))
        state.take(CaseStarted(case_id=TWIN.case_id, stage="compile"))
    return states


def errors(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.replace("\N{NO-BREAK SPACE}", " ").splitlines()


def test_each_event_becomes_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    view, _ = plain("local")
    view.doing("local", "building the image")
    view.doing("local", "building the image")
    view.saw("local", factories.started([RESNET, VIT]))
    view.saw("local", CaseStarted(case_id=RESNET.case_id, stage="compile"))
    view.saw("local", factories.measurement(RESNET, eager_s=0.020, compiled_s=0.010))
    view.saw("local", factories.failure(VIT, "oom", "CUDA out of\nmemory"))
    view.noted("local", "line 3 skipped")
    view.ended("local", "")
    assert errors(capsys) == [
        "local: building the image",
        "local: A100-SXM4-40GB, torch 2.13.0, 2 cases",
        "local: [1/2] ResNet default b1: 20.0 ms eager, 10.0 ms compiled, 2.00× ▲ faster",
        "local: [2/2] ViT reduce-overhead float16 b4: ✕ OOM: CUDA out of memory",
        "local: ⚠ line 3 skipped",
    ]


def test_who_stops_a_run_is_told_how_long_that_may_take(capsys: pytest.CaptureFixture[str]) -> None:
    view, _ = plain("local")
    view.stopping(30.0, 5.0)
    assert errors(capsys) == ["⚠ stopping: this takes 30 s at most, or 5 after Ctrl-C again"]


def test_what_a_host_sends_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    view, _ = plain("local")
    view.saw("local", factories.failure(RESNET, "error", "\x1b[2Jgone\r\nnext"))
    assert errors(capsys) == ["local: ResNet default b1: ✕ error: [2Jgone next"]


def test_trouble_that_names_its_host_is_not_introduced_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view, _ = plain("t4", "v100")
    view.ended("t4", 'host "t4" (ssh://t4): it does not answer')
    view.ended("v100", "its disk is full")
    assert errors(capsys) == [
        '✕ host "t4" (ssh://t4): it does not answer',
        "v100: ✕ its disk is full",
    ]


def test_a_minute_of_silence_is_broken_by_what_each_host_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view, clock = plain("a100", "t4")
    view.saw("a100", factories.started([RESNET]))
    view.saw("a100", CaseStarted(case_id=RESNET.case_id, stage="measure"))
    view.ended("t4", "gone")
    errors(capsys)
    clock.now_s += 59
    view.tick()
    assert errors(capsys) == []
    clock.now_s += 1
    view.tick()
    view.tick()
    assert errors(capsys) == ["a100: [0/1] ResNet default b1 · measuring for 60 s"]


def test_many_hosts_speak_up_for_failures_and_once_a_minute_for_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view, clock = plain(*(f"gpu-{number}" for number in range(64)))
    for host in view.states:
        view.doing(host, "connecting")
        view.saw(host, factories.started([RESNET, TWIN]))
        view.saw(host, factories.measurement(RESNET))
    view.saw("gpu-7", factories.failure(VIT))
    clock.now_s += 60
    view.tick()
    assert errors(capsys) == [
        "gpu-7: [2/2] ViT reduce-overhead float16 b4: ✕ OOM: CUDA out of memory",
        "64 hosts: 64 measuring · 65/128 cases · about 11 s left",
    ]


def test_a_row_holds_count_stage_case_result_and_time_left() -> None:
    clock = FakeClock()
    states = fleet_of(1, clock)
    states |= {name: HostState(clock) for name in ("t4", "a-very-long-name-of-a-host")}
    states["t4"].prepare("building the image, step 6/20")
    states["a-very-long-name-of-a-host"].end("gone")
    clock.now_s += 4
    assert drawn(states, 100) == [
        "gpu-00                1/2  compiling 4 s         ResNet b1 reduce-overhead …"
        "   8.00 ms     7 s left",
        "t4                         building the image, step 6/20 4 s".ljust(99),
        "a-very-long-name-of…       lost".ljust(99),
        "3 hosts: 1 preparing, 1 measuring, 1 lost · 1/2 cases · about 7 s left",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 80, 140])
def test_rows_never_break(width: int) -> None:
    clock = FakeClock()
    states = fleet_of(3, clock)
    states["gpu-00"].take(CaseStarted(case_id=LONG.case_id, stage="warmup"))
    lines = drawn(states, width)
    assert len(lines) == 4
    assert max(map(len, lines)) < width
    if width >= 40:
        assert "left" in lines[1]


def test_sixty_four_hosts_fit_on_a_small_terminal() -> None:
    clock = FakeClock()
    states = fleet_of(64, clock)
    for number in range(10):
        states[f"gpu-{number:02}"].end("gone" if number < 2 else "")
    lines = drawn(states, 80, height=24)
    assert len(lines) == 19
    assert lines[0].startswith("gpu-10")  # those at work come first
    assert lines[-1] == ("64 hosts: 54 measuring, 8 done, 2 lost · 64/128 cases · about 11 s left")


def test_the_live_view_scrolls_failures_above_its_rows() -> None:
    clock = FakeClock()
    console = Console(width=80, force_terminal=True, color_system=None)
    view = LiveProgress(fleet_of(9, clock), console)
    with console.capture() as capture:
        view.saw("gpu-00", factories.measurement(VIT))
        view.saw("gpu-01", factories.failure(VIT))
        view.noted("gpu-02", "reconnected")
        view.doing("gpu-03", "connecting")
        view.ended("gpu-03", "lost")
    assert [line.split(":")[0] for line in capture.get().splitlines()] == [
        "gpu-01",
        "gpu-02",
        "gpu-03",
    ]


def test_a_run_ends_with_a_line_for_every_host(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watching("plain", ("a100", "t4")) as view:
        view.saw("a100", factories.started([RESNET, VIT]))
        view.saw("a100", factories.measurement(RESNET))
        view.saw("a100", factories.failure(VIT))
        view.ended("a100", "")
        view.ended("t4", "gone")
    assert errors(capsys)[-3:] == [
        "a100: 1 of 2 cases measured, 1 failed (OOM), in 0 s",
        "t4: nothing measured",
        "  gone",
    ]


def test_without_progress_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watching("none", ("a100",)) as view:
        view.saw("a100", factories.started([RESNET]))
        view.ended("a100", "gone")
    assert errors(capsys) == []


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

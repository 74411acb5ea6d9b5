from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks import gpu_calls, gpu_settings
from benchmarks.gpu_steps import StepError
from benchmarks.ledger import Ledger
from orchestrator.records import holding


def interrupted() -> bool:
    raise KeyboardInterrupt


def hopeless() -> bool:
    raise StepError("no driver")


@dataclass
class Step:
    """Does one thing, which may leave something."""

    does: Callable[[], bool]
    lacks: list[str] = field(default_factory=lambda: ["vit-base/default/float32/b1"])
    name: str = "first"
    budget_s: float = 60

    def run(self, until_s: float) -> bool:
        if self.does():
            self.lacks.clear()
        return not self.lacks

    def left(self) -> list[str]:
        return self.lacks


@dataclass
class Called:
    """Makes calls with one step."""

    output: Path
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, does: Callable[[], bool], *given: str) -> int:
        step = Step(does)
        self.monkeypatch.setattr(gpu_calls, "steps", lambda settings: iter([step]))
        return gpu_calls.main(["--output", str(self.output), *given], "")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Called:
    monkeypatch.setattr(gpu_calls.signal, "signal", lambda *_: None)
    monkeypatch.setattr(gpu_calls.gpu_settings, "require_gpu", lambda: None)
    return Called(tmp_path, monkeypatch)


def test_a_machine_without_a_gpu_has_nothing_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_settings, "gpu_name", lambda: "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_calls.main(["--output", str(tmp_path)], "") == 2
    assert "sees no GPU: there is nothing to check" in capsys.readouterr().err


@pytest.mark.parametrize("minutes", ["nan", "inf", "0", "-3", "soon"])
def test_a_call_lasts_a_time_that_there_is(tmp_path: Path, minutes: str) -> None:
    with pytest.raises(SystemExit):
        gpu_settings.parse(["--output", str(tmp_path), "--minutes", minutes])


@pytest.mark.parametrize(
    "given",
    [("--only", ""), ("--wheels", "/nonexistent"), ("--tests", "/nonexistent")],
)
def test_what_is_not_there_is_refused_before_anything_begins(
    tmp_path: Path, given: tuple[str, str]
) -> None:
    with pytest.raises(gpu_settings.UsageError):
        gpu_settings.parse(["--output", str(tmp_path), *given])


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(gpu_settings.UsageError, match="cannot be made"):
        gpu_settings.parse(["--output", "/proc/nothing"])


def test_a_call_that_leaves_nothing_says_whether_everything_holds(
    call: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(lambda: True) == 0
    Ledger(call.output / "essential.jsonl").keep("test_a", outcome="failed", said="why")
    assert call(lambda: True) == 1
    assert "go on with" not in capsys.readouterr().out


@pytest.mark.parametrize("does", [lambda: False, interrupted], ids=["time", "interrupted"])
def test_a_call_that_leaves_something_prints_what_there_is_and_how_to_go_on(
    call: Called, does: Callable[[], bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(does, "--minutes", "1") == 3
    said = capsys.readouterr().out
    assert "first: 1 cases\n    vit-base/default/float32/b1\n" in said
    assert said.endswith(f"-m benchmarks.gpu_check --output {call.output} --minutes 1\n")
    assert "\nchecks\n" in said
    assert ("interrupted: what was under way is lost" in said) is (does is interrupted)


def test_where_nothing_can_be_measured_the_reason_comes_last(
    call: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(hopeless) == 1
    assert capsys.readouterr().out.endswith("nothing more can be measured here: no driver\n")


def test_two_calls_at_once_and_wrong_options_are_refused(
    call: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    with holding.held(call.output / ".lock"):
        assert call(lambda: True) == 2
    assert "another gpu_check is at work" in capsys.readouterr().err
    assert call(lambda: True, "--models", "no-such") == 2
    assert "there is no model 'no-such'" in capsys.readouterr().err


def test_a_long_list_does_not_hide_the_table() -> None:
    shown = list(gpu_calls._left({"second": [str(number) for number in range(20)]}))
    assert len(shown) == 1 + gpu_calls.SHOWN + 1
    assert shown[-1] == "    and 14 more"

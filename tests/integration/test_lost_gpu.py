"""A GPU that stops answering in the middle of a run, and machines that cannot measure at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.contract.plan import Case, Plan
from harness.contract.records import CaseStarted, Failure
from harness.contract.vocabulary import Reason
from orchestrator.cli.progress import NoProgress
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import Say
from orchestrator.publish import rendering
from orchestrator.records.attempt_file import AttemptFile
from tests import factories
from tests.fake_host import FakeHost, FakeSession, lines
from tests.integration.replays import FASTER, RESNET, STARTED, VIT, WHOLE, new_folder
from tests.integration.stand_in_harness import LOSS, Planted, driver, gpu, planted
from tests.integration.test_local_gpus import ASKED, PLAN, run, the_page, the_run

CASES = [each.case for each in PLAN.attempts() if not each.case.is_a_a]
TOLD = "the GPU stopped answering while a case was measured"


@pytest.fixture
def harnesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    driver(tmp_path / "bin", monkeypatch, "GPU-aa", "GPU-bb")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices = {"0": gpu("GPU-aa"), "1": gpu("GPU-bb")}
    return planted(tmp_path / "harness", PLAN, monkeypatch, devices)


def rows(tmp_path: Path) -> dict[str, tuple[str, str | None]]:
    """Verdict and reason of each case of the run, by model."""
    found = json.loads((the_run(tmp_path / "reports").path / "results.json").read_text())
    return {row["model"]: (row["verdict"], row["failure_reason"]) for row in found["rows"]}


def test_what_is_left_when_a_gpu_is_lost_is_not_measured_for_one_cause(
    tmp_path: Path, harnesses: Planted
) -> None:
    harnesses.lost[""] = CASES[1]
    harnesses.write()
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 1
    first, *left = (case.model for case in CASES)
    assert rows(tmp_path)[first] == ("faster", None)
    assert {rows(tmp_path)[model] for model in left} == {("failed", "host_unavailable")}
    visible = the_page(tmp_path).partition('id="data"')[0]
    assert visible.count(TOLD) == 1
    assert visible.count('<article class="trouble"') == 1
    assert f"lost before its end; {len(left)} cases not measured" in visible
    assert "So far, too little was compared on A100-SXM4-40GB. With mode" in said.out
    assert f"; {len(left)} not measured." in said.out
    assert said.err.count(f"local: ✕ {TOLD}") == 1
    run_folder = the_run(tmp_path / "reports").path
    assert said.err.endswith(f"To measure the rest:  python orchestrate.py --resume {run_folder}\n")
    assert f"local: 2 of {len(PLAN.attempts())} cases measured, then lost, in" in said.err
    (attempt,) = the_run(tmp_path / "reports").attempts("local").values()
    failures = [record for record in attempt.records if isinstance(record, Failure)]
    assert [failure.case_id for failure in failures] == [None]


def test_resuming_measures_what_a_lost_gpu_left_and_completes_the_page(
    tmp_path: Path, harnesses: Planted
) -> None:
    harnesses.lost[""] = CASES[1]
    harnesses.write()
    assert run(tmp_path / "reports", *ASKED).code == 1
    harnesses.lost.clear()
    harnesses.write()
    said = run(tmp_path / "reports", "--resume", str(the_run(tmp_path / "reports").path))
    assert said.code == 0, said.err
    every = [case.case_id for case in PLAN.attempts()]
    assert harnesses.starts[1]["cases"] == every[every.index(CASES[1].case_id) :]
    assert {verdict for verdict, _ in rows(tmp_path).values()} == {"faster"}
    page = the_page(tmp_path)
    assert TOLD not in page
    assert "lost before its end" not in page


def test_the_harness_of_another_gpu_goes_on(
    tmp_path: Path, harnesses: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    harnesses.lost["1"] = next(case for case in CASES if case.model == "resnet-50")
    harnesses.lost["0"] = harnesses.lost["1"]  # whoever has it
    harnesses.write()
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 1
    assert ":  CUDA_VISIBLE_DEVICES=0,1 python orchestrate.py --resume" in said.err
    asked = [start["cases"] for start in harnesses.starts]
    lost = harnesses.lost["1"].case_id
    (whole,) = (cases for cases in asked if lost not in cases)  # type: ignore[operator]
    measured = the_run(tmp_path / "reports").outcomes()[0].measurements
    assert set(whole) <= measured.keys()  # type: ignore[call-overload]
    assert rows(tmp_path)["resnet-50"] == ("failed", "host_unavailable")
    assert the_page(tmp_path).partition('id="data"')[0].count(TOLD) == 1
    harnesses.lost.clear()
    harnesses.write()
    again = run(tmp_path / "reports", "--resume", str(the_run(tmp_path / "reports").path))
    assert again.code == 0
    resumed = [case for start in harnesses.starts[2:] for case in start["cases"]]  # type: ignore[attr-defined]
    assert sorted(resumed) == sorted({case.case_id for case in PLAN.attempts()} - measured.keys())


OLD_DRIVER = "PyTorch 2.14.1 cannot use the driver here (535.54): install 580 or newer"
NO_CODE = "Tesla V100 has capability 7.0, and PyTorch 2.14.1+cu130 has no code for it: take cu126"


@pytest.mark.parametrize(
    ("reason", "message"), [("load_error", OLD_DRIVER), ("unsupported", NO_CODE)]
)
def test_a_machine_that_never_starts_says_why_and_what_to_do(
    tmp_path: Path, harnesses: Planted, reason: Reason, message: str
) -> None:
    refusal = Failure(case_id=None, stage=None, reason=reason, message=message)
    harnesses.refusals[""] = refusal
    harnesses.write()
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 3
    assert f"no host could measure: {message}" in said.err
    assert f"local: ✕ {message}" in said.err
    assert f"local: nothing measured\n  {message}" in said.err
    visible = the_page(tmp_path).partition('id="data"')[0]
    assert visible.count(f"<pre>{message}</pre>") == 1
    assert f"This host never started: {message}" in visible


@pytest.mark.parametrize("reason", ["load_error", "unsupported"])
def test_one_gpu_of_two_that_never_starts_costs_the_exit_code(
    tmp_path: Path, harnesses: Planted, monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    harnesses.refusals["1"] = Failure(case_id=None, stage=None, reason=reason, message=NO_CODE)
    harnesses.write()
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 1
    assert {("faster", None), ("failed", "host_unavailable")} == set(rows(tmp_path).values())


def test_a_host_that_cannot_measure_beside_one_that_can_costs_the_exit_code(
    tmp_path: Path,
) -> None:
    refusal = Failure(case_id=None, stage=None, reason="unsupported", message=NO_CODE)
    hosts = [FakeHost("a100", WHOLE), FakeHost("v100", lines(refusal))]
    folder = new_folder(tmp_path, "a100", "v100")
    Run.of(folder).measure(hosts, NoProgress())
    assert rendering.exit_code(rendering.render(folder).comparison) == 1


@dataclass
class Lingering(FakeSession):
    """A harness that stays after its last record until it is told that it may go."""

    told: bool = False

    def chunks(self) -> Iterator[bytes]:
        yield self.stream
        assert self.told, "it would stay for minutes"

    def finish(self) -> None:
        self.told = True


@dataclass(eq=False)
class LingeringHost(FakeHost):
    def start(self, plan: Plan, attempt: AttemptFile, say: Say) -> FakeSession:
        return Lingering(self.stream, len(self.stream), endless=False)


@pytest.mark.parametrize(
    "stream",
    [lines(STARTED, FASTER, CaseStarted(case_id=VIT.case_id, stage="compile"), LOSS), WHOLE],
    ids=["lost", "finished"],
)
def test_a_harness_that_lingers_may_go_after_its_last_record(tmp_path: Path, stream: bytes) -> None:
    folder = new_folder(tmp_path, "a100")
    Run.of(folder).measure([LingeringHost("a100", stream)], NoProgress())
    assert folder.meta().troubles == {}


def test_each_case_that_is_left_tells_what_came_between_last(tmp_path: Path) -> None:
    """A GPU is lost, the machine mended, and the user stops the run that goes on."""
    began = CaseStarted(case_id=RESNET.case_id, stage="compile")
    folder = new_folder(tmp_path, "local")
    Run.of(folder).measure([FakeHost("local", lines(STARTED, began, LOSS))], NoProgress())
    rows = rendering.render(folder).comparison.rows
    assert {row.problem.message for row in rows if row.problem} == {LOSS.message}
    again = STARTED.model_copy(update={"case_ids": (RESNET.case_id, VIT.case_id)})
    Run.of(folder).measure([FakeHost("local", lines(again, FASTER))], NoProgress())
    folder.mark_interrupted(["local.2.jsonl"])
    (measured, left) = rendering.render(folder).comparison.rows
    assert (measured.verdict, left.verdict) == ("faster", "missing")
    assert left.problem is not None
    assert left.problem.message == "not measured: the run was interrupted before this case"


def test_two_gpus_that_break_off_for_two_reasons_tell_each_of_its_cases(tmp_path: Path) -> None:
    def stream(case: Case, uuid: str, why: str) -> bytes:
        environment = factories.environment(device=gpu(uuid))
        started = STARTED.model_copy(
            update={"case_ids": (case.case_id,), "environment": environment}
        )
        return lines(started, LOSS.model_copy(update={"message": why}))

    folder = new_folder(tmp_path, "box")
    hosts = [
        FakeHost("box", stream(VIT, "GPU-1", "the first is gone")),
        FakeHost("box", stream(RESNET, "GPU-2", "the second hangs")),
    ]
    Run.of(folder).measure(hosts, NoProgress())
    rows = rendering.render(folder).comparison.rows
    assert {row.case.model: row.problem.message for row in rows if row.problem} == {
        "vit-base": "the first is gone",
        "resnet-50": "the second hangs",
    }

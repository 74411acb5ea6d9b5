"""Several GPUs of this machine, as CUDA_VISIBLE_DEVICES names them, with a stand-in harness."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.contract.plan import Plan
from orchestrator import planning
from orchestrator.records.rundir import RunFolder
from tests.integration.stand_in_harness import driver, gpu, planted
from tests.integration.test_command_line import Said, say

MODELS = "resnet-50,vit-base,segformer-b0,beit-base"
ASKED = ("--models", MODELS, "--batch-sizes", "1", "--weights", "random")
PLAN: Plan = planning.make(planning.Choices(models=MODELS, batch_sizes="1", weights="random"))


def run(output: Path, *options: str) -> Said:
    return say(*options, "--output", str(output), "--progress", "plain", "--baseline", "none")


def the_run(output: Path) -> RunFolder:
    (path,) = output.glob("*/run.json")
    return RunFolder(path.parent)


def answers(output: Path) -> list[str]:
    rows = json.loads((the_run(output).path / "results.json").read_text())["rows"]
    return [row["verdict"] for row in rows]


@pytest.fixture(autouse=True)
def _two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path / "bin", monkeypatch, "GPU-aa", "GPU-bb")


@pytest.mark.parametrize("entries", ["0,1", "GPU-aa,GPU-bb"])
def test_gpus_that_are_named_share_the_cases_one_harness_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: str
) -> None:
    one, other = entries.split(",")
    devices = {one: gpu("GPU-aa"), other: gpu("GPU-bb")}
    harnesses = planted(tmp_path / "harness", PLAN, monkeypatch, devices)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", entries)
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 0, said.err
    first, second = sorted(harnesses.starts, key=lambda start: start["gpu"] != one)
    assert (first["gpu"], second["gpu"]) == (one, other)
    assert "--require-gpu" in first["arguments"]  # type: ignore[operator]
    together = [*first["cases"], *second["cases"]]  # type: ignore[misc]
    assert sorted(together) == sorted(case.case_id for case in PLAN.attempts())
    assert abs(len(first["cases"]) - len(second["cases"])) <= 2  # type: ignore[arg-type]
    assert "measured on 2 GPUs of this kind" in said.out + the_page(tmp_path)
    assert "GPUs, and the first alone" not in said.err
    command = the_run(tmp_path / "reports").meta().command
    assert command.startswith(f"CUDA_VISIBLE_DEVICES={entries} python orchestrate.py")


def the_page(tmp_path: Path) -> str:
    return (the_run(tmp_path / "reports").path / "report.html").read_text()


def test_harnesses_beside_each_other_get_cores_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    devices = {"0": gpu("GPU-aa"), "1": gpu("GPU-bb")}
    harnesses = planted(tmp_path / "harness", PLAN, monkeypatch, devices)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert run(tmp_path / "reports", *ASKED).code == 0
    one, other = (set(start["cores"]) for start in harnesses.starts)  # type: ignore[call-overload]
    assert len(one) == len(other) == len(os.sched_getaffinity(0)) // 2
    assert one.isdisjoint(other)


def test_without_the_variable_the_first_gpu_is_measured_and_a_line_tells_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harnesses = planted(tmp_path / "harness", PLAN, monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 0, said.err
    (start,) = harnesses.starts
    assert start["gpu"] is None
    assert len(start["cores"]) == len(os.sched_getaffinity(0))  # type: ignore[arg-type]
    told = [line for line in said.err.splitlines() if "This machine has 2 GPUs" in line]
    assert told == [
        "This machine has 2 GPUs, and the first alone is measured; to let them share the cases:  "
        "CUDA_VISIBLE_DEVICES=0,1 python orchestrate.py …"
    ]


@pytest.mark.parametrize(
    ("entries", "gpus", "where"),
    [
        ("0,1", 2, "on 2 GPUs"),
        ("1", 1, "on a GPU"),
        ("1,-1,0", 1, "on a GPU"),
        ("", 0, "on this CPU"),
        ("-1", 0, "on this CPU"),
        ("NoDevFiles", 0, "on this CPU"),
    ],
)
def test_a_forecast_counts_the_gpus_that_will_be_measured_on(
    monkeypatch: pytest.MonkeyPatch, entries: str, gpus: int, where: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", entries)
    said = say("--dry-run", *ASKED)
    assert where in said.out
    assert "This machine has" not in said.out
    (host,) = json.loads(say("--dry-run", *ASKED, "--json").out)["hosts"]
    assert host["gpus"] == gpus


def test_a_forecast_for_two_gpus_takes_half_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    times = []
    for entries in ("0", "0,1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", entries)
        (host,) = json.loads(say("--dry-run", *ASKED, "--json").out)["hosts"]
        times.append(host["estimated_s"])
    assert times[1] == pytest.approx(times[0] / 2, abs=1)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ("0,0", "names 0 twice, and CUDA would see no GPU at all"),
        ("1,01", "names 01 twice"),
        ("0,banana", 'names "banana", which is no GPU'),
        ("banana", 'names "banana", which is no GPU'),
        ("0,,1", 'names "", which is no GPU'),
        ("GPU-aa,1", "mixes indices, UUIDs of GPUs"),
        ("GPU-aa,GPU-aa", "names GPU-aa twice"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_cuda_would_silently_read_as_fewer_is_a_usage_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: str,
    sentence: str,
    more: tuple[str, ...],
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", entries)
    said = run(tmp_path / "reports", *ASKED, *more)
    assert said.code == 2
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) == 2
    assert not (tmp_path / "reports").exists()


def test_a_gpu_that_is_not_there_is_no_reason_to_measure_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,7")
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 3
    assert "names GPU 7, which this machine does not have; there is GPU 0 and GPU 1" in said.err


def test_gpus_of_different_kinds_are_refused_with_advice_that_fits_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = {"0": gpu("GPU-aa"), "1": gpu("GPU-bb", "Tesla T4")}
    planted(tmp_path / "harness", PLAN, monkeypatch, devices)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 1
    assert "its GPUs differ (" in said.err
    assert "Name GPUs of one kind in CUDA_VISIBLE_DEVICES" in said.err
    assert "inventory" not in said.err


def test_one_gpu_by_two_short_uuids_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = {"GPU-a": gpu("GPU-aa"), "GPU-aa": gpu("GPU-aa")}
    planted(tmp_path / "harness", PLAN, monkeypatch, devices)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-aa")
    said = run(tmp_path / "reports", *ASKED)
    assert said.code == 1
    assert "Name each GPU once in CUDA_VISIBLE_DEVICES" in said.err


def test_a_run_goes_on_with_another_number_of_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = {"0": gpu("GPU-aa"), "1": gpu("GPU-bb")}
    harnesses = planted(tmp_path / "harness", PLAN, monkeypatch, devices)
    lost = harnesses.lost
    lost[""] = PLAN.attempts()[2].case
    harnesses.write()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    output = tmp_path / "reports"
    assert run(output, *ASKED).code == 1
    lost.clear()
    harnesses.write()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    said = run(output, "--resume", str(the_run(output).path))
    assert said.code == 0, said.err
    left = [case for start in harnesses.starts[1:] for case in start["cases"]]  # type: ignore[attr-defined]
    assert sorted(left) == sorted(case.case_id for case in PLAN.attempts()[2:])
    assert set(answers(output)) == {"faster"}


def test_doctor_judges_the_gpus_that_would_be_measured_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {}
    for entries in ("0,1", "0,0", "0,9", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", entries)
        (host,) = json.loads(say("doctor", "--json").out)["hosts"]
        found[entries] = {check["subject"]: check for check in host["checks"]}
    assert found["0,1"]["Several GPUs"]["found"] == "2 share the cases"
    assert "twice" in found["0,0"]["GPU and driver"]["found"]
    assert "no GPU 9 here" in found["0,9"]["GPU and driver"]["found"]
    assert "the CPU is measured" in found["-1"]["GPU and driver"]["found"]
    states = [found[entries]["GPU and driver"]["state"] for entries in ("0,0", "0,9", "-1")]
    assert states == ["bad", "bad", "unknown"]


def test_doctor_tells_of_gpus_that_stay_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    said = say("doctor")
    assert "2, and the first alone is measured" in said.out
    assert "export CUDA_VISIBLE_DEVICES=0,1" in said.out

"""The project's command on a machine with two fake GPUs, from the plan to the page."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from harness.contract import catalogue
from harness.contract.records import Measurement
from orchestrator.records.rundir import RunFolder
from tests.fake_gpu.machine import FakeMachine
from tests.gpu.conftest import Factory
from tests.gpu.harness_runs import as_json, orchestrate

EVERY_MODEL = ",".join(model.name for model in catalogue.CATALOGUE)
TINY = ("--hosts", "local", "--size", "tiny", "--weights", "random", "--progress", "plain")
BOTH = "0,1"


@cache
def text(page: Path) -> str:
    """A page without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))


def run_folder(output: Path) -> RunFolder:
    (folder,) = (path.parent for path in output.glob("*/run.json"))
    return RunFolder(folder)


def both(machine: FakeMachine) -> dict[str, str]:
    return machine.environment() | {"CUDA_VISIBLE_DEVICES": BOTH}


@pytest.mark.slow
def test_two_gpus_share_the_cases_and_the_page_shows_what_only_a_gpu_has(
    fake_machine: Factory, tmp_path: Path
) -> None:
    """Times of all four kinds, labels, telemetry, energy and graphs, and that it is a rehearsal."""
    machine = fake_machine(gpus=2)
    code, said, errors = orchestrate(
        *TINY, "--models", "vit-base", "--modes", "default,reduce-overhead",
        "--batch-sizes", "1", "--iterations", "12", "--case-processes", "fork",
        "--output", tmp_path, "--json", **both(machine),
    )  # fmt: skip
    assert code == 0, errors
    summary = as_json(said)
    assert "rehearsal" in json.dumps(summary).lower()
    folder = run_folder(tmp_path)
    (outcome,) = folder.outcomes()
    assert {each.device.uuid for each in outcome.environments} == set(machine.uuids)
    assert len(outcome.measurements) == 2 + 1
    for found in outcome.measurements.values():
        _has_what_only_a_gpu_has(found)
    page = folder.path / "report.html"
    for words in (
        "Fake A100-SXM4-40GB",
        "a rehearsal, not a result",
        "launch-bound",
        "CUDA graph",
        "its cases were measured on 2 GPUs of this kind",
    ):
        assert words.lower() in text(page).lower(), words
    results = json.loads((folder.path / "results.json").read_text())
    rows = [row for row in results["rows"] if row["mode"] == "reduce-overhead"]
    assert len(rows) == 1
    for row in rows:
        for figure in ("eager_busy_s", "eager_device_s", "eager_joules_per_image"):
            assert any(name.startswith(figure[:9]) and row[name] for name in row), (figure, row)


def _has_what_only_a_gpu_has(found: Measurement) -> None:
    assert found.clock == "cuda"
    assert found.eager_busy_s
    assert found.compiled_busy_s
    assert found.telemetry_note == ""
    for block in found.blocks:
        assert block.device_s
        assert block.enqueue_s
        assert block.telemetry is not None
    if found.case.is_a_a:
        return
    assert found.energy is not None
    assert found.compile_evidence is not None
    graphs = 1 if found.case.mode == "reduce-overhead" else None
    assert found.compile_evidence.cuda_graphs == graphs
    assert found.compile_evidence.cuda_graph_launches == graphs


@pytest.mark.slow
def test_the_twelve_models_are_traced_and_measured_by_two_gpus(
    fake_machine: Factory, tmp_path: Path
) -> None:
    machine = fake_machine(gpus=2)
    code, _, errors = orchestrate(
        *TINY, "--quick", "--models", EVERY_MODEL, "--backend", "aot_eager", "--iterations", "6",
        "--case-processes", "fork", "--output", tmp_path, **both(machine),
    )  # fmt: skip
    assert code == 0, errors
    (outcome,) = run_folder(tmp_path).outcomes()
    assert len(outcome.measurements) == 12 + 1
    assert not outcome.failures
    assert all(found.clock == "cuda" for found in outcome.measurements.values())


@pytest.mark.slow
def test_a_run_that_loses_its_gpu_names_one_cause_and_is_finished_by_resuming(
    fake_machine: Factory, tmp_path: Path
) -> None:
    machine = fake_machine(lost_after=3000)
    code, _, errors = orchestrate(
        *TINY, "--quick", "--models", "vit-base", "--backend", "aot_eager", "--iterations", "20",
        "--batch-sizes", "1,2,4,8", "--case-processes", "fork", "--output", tmp_path,
        **machine.environment(),
    )  # fmt: skip
    assert code == 1, errors
    assert "the GPU stopped answering while" in errors
    folder = run_folder(tmp_path)
    (outcome,) = folder.outcomes()
    done = len(outcome.measurements)
    assert done < 5
    assert not outcome.failures
    assert len(outcome.host_failures) == 1
    assert "the GPU stopped answering while" in text(folder.path / "report.html")
    machine.restore()
    longer = machine.environment() | {"FAKE_GPU_LOST_AFTER": ""}
    code, _, errors = orchestrate("--resume", folder.path, "--progress", "plain", **longer)
    assert code == 0, errors
    (outcome,) = folder.outcomes()
    assert len(outcome.measurements) == 5


def test_a_gpu_that_cannot_be_used_ends_the_command_with_one_sentence(
    fake_machine: Factory, tmp_path: Path
) -> None:
    code, _, errors = orchestrate(
        *TINY, "--quick", "--models", "vit-base", "--backend", "aot_eager", "--output", tmp_path,
        **fake_machine("v100").environment(),
    )  # fmt: skip
    assert code == 3
    assert "has no code for the Fake V100" in errors
    assert "Traceback" not in errors

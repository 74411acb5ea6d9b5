"""A harness for host "local" that loads no torch: it reads its plan and tells prepared results.

`planted` puts one where the real one would be started, and gives what its starts were asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.contract.plan import Case, Plan
from harness.contract.records import Device, Failure, Measurement
from orchestrator.hosts import local
from tests import factories

# It is run as `python -m harness` in a folder of its own, where only the standard library is sure.
_SCRIPT = """\
import json, os, sys
from pathlib import Path

book = json.loads(Path(__file__).with_name("book.json").read_text())
plan, gpu = json.load(sys.stdin), os.environ.get("CUDA_VISIBLE_DEVICES")
cases = [case for case in book["cases"] if case not in plan["skip"]]
with Path(__file__).with_name("starts.jsonl").open("a") as file:
    cores = sorted(os.sched_getaffinity(0))
    start = {"gpu": gpu, "arguments": sys.argv[1:], "cases": cases, "cores": cores}
    file.write(json.dumps(start) + "\\n")
sent = 0

def send(record, **changes):
    global sent
    print(json.dumps({**record, "seq": sent, **changes}), flush=True)
    sent += 1

key = gpu if gpu in book["devices"] else ""
if key in book["refusals"]:
    send(book["refusals"][key])
    sys.exit(1)
environment = {**book["started"]["environment"], "device": book["devices"][key]}
send(book["started"], plan_id=plan["plan_id"], case_ids=cases, environment=environment)
for case in cases:
    send({"kind": "case_started", "case_id": case, "stage": "compile", "elapsed_s": 1.0})
    if book["lost"].get(key) == case:
        send(book["loss"])
        sys.exit(1)
    send(book["measurements"][case])
send({"kind": "finished", "plan_id": plan["plan_id"], "measured": len(cases), "failed": 0,
      "elapsed_s": 2.0})
"""


@dataclass
class Planted:
    """What a stand-in is to do, by the entry of CUDA_VISIBLE_DEVICES that it finds ("": any other).

    `devices` is what it says it runs on, `refusals` what it says instead of starting, `lost` the
    case in which its GPU stops answering.
    """

    folder: Path
    plan: Plan
    devices: dict[str, Device]
    refusals: dict[str, Failure] = field(default_factory=dict)
    lost: dict[str, Case] = field(default_factory=dict)

    def write(self) -> None:
        """Make what was changed known to the harnesses that start from now on."""
        book = {
            "cases": [attempt.case_id for attempt in self.plan.attempts()],
            "measurements": {
                attempt.case_id: _measured(attempt.case).model_dump(mode="json")
                for attempt in self.plan.attempts()
            },
            "started": factories.started().model_dump(mode="json"),
            "devices": {gpu: one.model_dump(mode="json") for gpu, one in self.devices.items()},
            "refusals": {gpu: one.model_dump(mode="json") for gpu, one in self.refusals.items()},
            "lost": {gpu: case.case_id for gpu, case in self.lost.items()},
            "loss": LOSS.model_dump(mode="json"),
        }
        (self.folder / "harness" / "book.json").write_text(json.dumps(book))

    @property
    def starts(self) -> list[dict[str, object]]:
        """Each start so far: `gpu`, `arguments`, `cases`, `cores`."""
        path = self.folder / "harness" / "starts.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


LOSS = Failure(
    case_id=None,
    stage="compile",
    reason="host_unavailable",
    message="the GPU stopped answering while a case was measured: CUDA error: unknown error",
)


def _measured(case: Case) -> Measurement:
    """Compiled code is a fifth faster than eager code, and eager code as fast as itself."""
    compiled_s = 0.010 if case.is_a_a else 0.008
    return factories.measurement(case, compiled_s=compiled_s, noise=0.01)


def gpu(uuid: str, name: str = "NVIDIA A100-SXM4-40GB") -> Device:
    return factories.environment(name).device.model_copy(update={"uuid": uuid})


def planted(
    folder: Path, plan: Plan, patch: pytest.MonkeyPatch, devices: Mapping[str, Device] | None = None
) -> Planted:
    """Have host "local" start a stand-in; a single A100 answers to every entry that is not told."""
    (folder / "harness").mkdir(parents=True)
    (folder / "harness" / "__main__.py").write_text(_SCRIPT)
    found = Planted(folder, plan, {"": gpu("GPU-first"), **(devices or {})})
    found.write()
    patch.setattr(local, "_ROOT", folder)
    return found


def driver(folder: Path, patch: pytest.MonkeyPatch, *gpus: str) -> None:
    """Put an nvidia-smi on PATH that lists these GPUs by UUID."""
    listed = [f"GPU {index}: NVIDIA A100 (UUID: {uuid})" for index, uuid in enumerate(gpus)]
    asked = [f"{i}, {uuid}, NVIDIA A100, 580.95.05, 8.0" for i, uuid in enumerate(gpus)]
    script = "\n".join(
        ["#!/bin/sh", 'if [ "$1" = -L ]; then', *_echoed(listed), "else", *_echoed(asked), "fi"]
    )
    folder.mkdir(exist_ok=True)
    (folder / "nvidia-smi").write_text(f"{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    patch.setenv("PATH", str(folder), prepend=":")


def _echoed(lines: list[str]) -> list[str]:
    return [f"echo '{line}'" for line in lines] or [":"]

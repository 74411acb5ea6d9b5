"""Where the wall time of a run goes: what is neither compile, warm-up nor timed inference.

Measures ViT and ResNet-50 at full size, 30 inferences each, in a run of its own; or reads a run
folder that is there:  python -m benchmarks.share reports/NAME
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import Final

from harness.contract.records import CaseStarted, Measurement, Record, read_record

ROOT: Final = Path(__file__).resolve().parent.parent
MEASURING: Final = frozenset({"compile", "warmup", "timed inference"})
ENERGY: Final = "inference for energy"


def main() -> None:
    with tempfile.TemporaryDirectory() as output:
        command = (
            "orchestrate.py", "--quick", "--models", "resnet-50,vit-base", "--progress", "none",
            "--output", output,
        )  # fmt: skip
        start_s = perf_counter()
        subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, check=True)
        wall_s = perf_counter() - start_s
        (folder,) = Path(output).iterdir()
        spent_s = spent(_records(folder / "records" / "local.1.jsonl"))
        spent_s["desk: start, page"] = wall_s - sum(spent_s.values())
        report(spent_s)


def spent(records: list[Record]) -> dict[str, float]:
    """Seconds of the harness by what they were spent on; the sum is the length of the stream.

    Stages are those of the cases. Of the stage that measures, only the samples are timed inference;
    inference for the energy counter stands by itself, and `beside the samples` is the rest:
    device-busy, telemetry, the second agreement.
    `between cases` is what lies between stages: starting a process, counting FLOPs, a case that
    failed. A stream without its end, as of a run that was stopped, ends at its last record.
    """
    spent_s: defaultdict[str, float] = defaultdict(float)
    for record in records:
        if isinstance(record, Measurement):
            timed_s = sum(sum(block.samples_s) for block in record.blocks)
            energy_s = _energy_s(record)
            for stage, stage_s in record.stage_s.items():
                if stage == "measure":
                    spent_s["beside the samples"] += stage_s - timed_s - energy_s
                else:
                    spent_s[stage] += stage_s
            spent_s["timed inference"] += timed_s
            if energy_s:
                spent_s[ENERGY] += energy_s
    begun_s = next((each.elapsed_s for each in records if isinstance(each, CaseStarted)), 0.0)
    ended_s = max((each.elapsed_s for each in records), default=0.0)
    between_s = ended_s - begun_s - sum(spent_s.values())
    return dict(spent_s) | {"until the first case": begun_s, "between cases": between_s}


def report(spent_s: dict[str, float]) -> None:
    wall_s = sum(spent_s.values())
    if not wall_s:
        print("nothing measured")
        return
    print(f"wall time {wall_s:.0f} s, of which")
    for name, value_s in sorted(spent_s.items(), key=lambda item: -item[1]):
        print(f"  {name:<22} {value_s / wall_s:6.1%}")
    rest_s = sum(value_s for name, value_s in spent_s.items() if name not in MEASURING)
    print(f"not compile, warm-up or timed inference: {rest_s / wall_s:.1%}")
    if energy_s := spent_s.get(ENERGY, 0.0):
        print(f"nor inference for energy: {(rest_s - energy_s) / wall_s:.1%}")


def _energy_s(record: Measurement) -> float:
    if record.energy is None:
        return 0.0
    return record.energy.eager.seconds + record.energy.compiled.seconds


def _records(path: Path) -> list[Record]:
    return [read_record(line) for line in path.read_bytes().splitlines()]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        for file in sorted(Path(sys.argv[1]).glob("records/*.jsonl")):
            report(spent(_records(file)))
    else:
        main()

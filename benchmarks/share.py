"""Where the wall time of a run goes: what is neither build, compile, warm-up nor timed inference.

Measures ViT and ResNet-50 at full size, 30 inferences each, in a run of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Final

from harness.records import Measurement
from orchestrator.rundir import RunFolder

ROOT: Final = Path(__file__).resolve().parent.parent


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
        _report(RunFolder(folder), wall_s)


def _report(folder: RunFolder, wall_s: float) -> None:
    (outcome,) = folder.outcomes()
    spent_s: Counter[str] = Counter()
    for measurement in outcome.measurements.values():
        spent_s.update(_stages(measurement))
    print(f"wall time {wall_s:.0f} s, of which")
    for stage, value_s in spent_s.most_common():
        print(f"  {stage:<10} {value_s / wall_s:6.1%}")
    print(f"  {'the rest':<10} {1 - spent_s.total() / wall_s:6.1%}")


def _stages(measurement: Measurement) -> dict[str, float]:
    return {str(stage): value_s for stage, value_s in measurement.stage_s.items()}

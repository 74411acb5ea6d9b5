"""How large the page is and how long it takes, for 36 and for 432 cases of 300 samples each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

from harness import catalogue
from harness.vocabulary import MODES
from orchestrator import report
from orchestrator.outcomes import HostOutcome
from tests import factories

ROOT: Final = Path(__file__).resolve().parent.parent
GPUS: Final = ("NVIDIA A100-SXM4-40GB", "Tesla T4", "Tesla V100-SXM2-16GB")


def main() -> None:
    _time(hosts=1, modes=1)
    _time(hosts=3, modes=4)
    start_s = perf_counter()
    command = [sys.executable, "orchestrate.py", "report", "published", "--output", "/tmp"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    print(f"the published table, from command to page: {perf_counter() - start_s:.2f} s")


def _time(hosts: int, modes: int) -> None:
    outcomes = [_outcome(gpu, modes) for gpu in GPUS[:hosts]]
    start_s = perf_counter()
    compared = factories.comparison(*outcomes)
    compared_s = perf_counter()
    page = report.render(compared)
    end_s = perf_counter()
    print(
        f"{len(compared.rows)} cases: {len(page.encode()) / 1e3:.0f} KB, "
        f"statistics {compared_s - start_s:.2f} s, page {end_s - compared_s:.2f} s"
    )


def _outcome(gpu: str, modes: int) -> HostOutcome:
    cases = [
        factories.case(model.name, batch_size, mode)
        for model in catalogue.CATALOGUE
        for mode in MODES[:modes]
        for batch_size in (1, 4, 16)
    ]
    measured = [factories.measurement(case, noise=0.02) for case in cases]
    return factories.outcome(gpu, *measured, of=factories.environment(gpu))

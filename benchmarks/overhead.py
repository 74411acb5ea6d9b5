"""What the harness's timing loop adds to a call: ResNet-50 on the CPU, beside a bare loop.

Both loops run in turn, in the order A B B A, in one process on one model.
"""

from __future__ import annotations

import statistics
from time import perf_counter
from typing import Final

import torch
from PIL import Image

from harness import models, timing
from harness.clocks import CpuClock
from harness.plan import Case
from harness.timing import Call

ROUNDS: Final = 30
CALLS: Final = 5


def main() -> None:
    case = Case(model="resnet-50", mode="default", precision="float32", batch_size=1)
    built = models.build(
        case,
        weights="random",
        size="full",
        seed=0,
        picture=Image.effect_noise((640, 480), 60).convert("RGB"),
        device=torch.device("cpu"),
    )

    def call() -> object:
        return built.module(**built.inputs)

    with torch.no_grad(), timing.no_garbage_collection():
        call()
        ratio, spread = _ratio(call)
        print(f"mean per call, harness / bare loop: {ratio:.4f} ± {spread:.4f} (2 standard errors)")
        print(f"a call that does nothing, through the clock: {timing.overhead_s(CpuClock()):.2e} s")


def _ratio(call: Call) -> tuple[float, float]:
    clock = CpuClock()
    ratios = []
    for round_number in range(ROUNDS):
        if round_number % 2:
            bare_s = _bare_s(call)
            harness_s = statistics.fmean(clock.time(call, CALLS).samples_s)
        else:
            harness_s = statistics.fmean(clock.time(call, CALLS).samples_s)
            bare_s = _bare_s(call)
        ratios.append(harness_s / bare_s)
    spread = 2 * statistics.stdev(ratios) / ROUNDS**0.5
    return statistics.fmean(ratios), spread


def _bare_s(call: Call) -> float:
    start_s = perf_counter()
    for _ in range(CALLS):
        call()
    return (perf_counter() - start_s) / CALLS

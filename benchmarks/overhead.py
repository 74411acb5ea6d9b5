"""What the harness measures, beside other instruments: the same calls of one model in one process,
the instruments in turn, so that drift falls on all of them alike.

On a CPU: a bare loop and torch.utils.benchmark. On a GPU also a loop with one pair of events around
all calls, and the sum of the kernels that the profiler sees.

    python -m benchmarks.overhead [--size tiny] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import torch
from torch.utils.benchmark import Timer

from harness import busy, cuda, environment, instruments, models, picture, timing
from harness.plan import Case
from harness.timing import Call, Clock
from harness.vocabulary import Size

ROUNDS: Final = 30
CALLS: Final = 5
MODEL: Final = "resnet-50"
Instrument = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of a ratio over rounds, and two standard errors of that median (by the median
    absolute deviation: a machine with other work to do has rounds that say nothing)."""

    value: float
    spread: float


def main() -> None:
    arguments = _parser().parse_args([])
    _print(compare(arguments.size))


def compare(size: Size = "full") -> dict[str, Ratio]:
    """The harness over each other instrument, by name."""
    device = environment.device()
    call = model_call(size, device)
    tools = cuda.instruments(device) if device.type == "cuda" else instruments.for_cpu()
    with torch.no_grad(), timing.no_garbage_collection():
        for _ in range(CALLS):
            call()
        found = _walls(call, tools.clock, device)
        if device.type == "cuda":
            found |= _on_the_device(call, tools.clock, device)
    return found


def model_call(size: Size, device: torch.device) -> Call:
    """A function that runs a model at batch 1."""
    case = Case(model=MODEL, mode="default", precision="float32", batch_size=1)
    built = models.build(
        case,
        weights="random",
        size=size,
        seed=0,
        picture=picture.generated().image,
        device=device,
    )
    return lambda: built.module(**built.inputs)


def _walls(call: Call, clock: Clock, device: torch.device) -> dict[str, Ratio]:
    def to_its_end() -> None:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    timer = Timer("call()", globals={"call": to_its_end}, num_threads=torch.get_num_threads())
    return {
        "wall / bare loop": _ratio(lambda: _wall_s(clock, call), lambda: _bare_s(to_its_end)),
        "wall / torch.utils.benchmark": _ratio(
            lambda: _wall_s(clock, call), lambda: timer.timeit(CALLS).mean
        ),
    }


def _on_the_device(call: Call, clock: Clock, device: torch.device) -> dict[str, Ratio]:
    return {
        "device time / event loop": _ratio(
            lambda: statistics.fmean(clock.time(call, CALLS).device_s or ()),
            lambda: _event_loop_s(call, device),
        ),
        "device-busy / profiler's kernels": _busy_ratio(call, clock, device),
    }


def _ratio(ours: Instrument, theirs: Instrument) -> Ratio:
    ratios = []
    for number in range(ROUNDS):
        if number % 2:
            other_s, own_s = theirs(), ours()
        else:
            own_s, other_s = ours(), theirs()
        ratios.append(own_s / other_s)
    return _summary(ratios)


def _summary(ratios: list[float]) -> Ratio:
    middle = statistics.median(ratios)
    deviation = statistics.median(abs(ratio - middle) for ratio in ratios)
    # 1.4826 makes a standard deviation of it, 1.2533 is the price of a median (both for a normal).
    return Ratio(middle, 2 * 1.2533 * 1.4826 * deviation / len(ratios) ** 0.5)


def _wall_s(clock: Clock, call: Call) -> float:
    return statistics.fmean(clock.time(call, CALLS).samples_s)


def _bare_s(call: Call) -> float:
    start_s = perf_counter()
    for _ in range(CALLS):
        call()
    return (perf_counter() - start_s) / CALLS


def _event_loop_s(call: Call, device: torch.device) -> float:
    """Each call from an empty queue, as the harness has it, by events of our own."""
    events: Any = torch.cuda.Event
    total_ms = 0.0
    for _ in range(CALLS):
        first, last = events(enable_timing=True), events(enable_timing=True)
        torch.cuda.synchronize(device)
        first.record()
        call()
        last.record()
        torch.cuda.synchronize(device)
        total_ms += first.elapsed_time(last)
    return total_ms / 1000 / CALLS


def _busy_ratio(call: Call, clock: Clock, device: torch.device) -> Ratio:
    enqueue_s = statistics.median(clock.time(call, CALLS).enqueue_s or ())
    both: Mapping[Any, Call] = {"eager": call, "compiled": call}
    found = busy.measure(both, dict.fromkeys(both, enqueue_s), cuda.Cuda(device))
    if found.eager_s is None:
        raise RuntimeError(found.note)
    kernels_s = [_kernels_s(call, device) for _ in range(busy.ROUNDS)]
    middle_s = statistics.median(kernels_s)
    return _summary([ours_s / middle_s for ours_s in found.eager_s])


def _kernels_s(call: Call, device: torch.device) -> float:
    """Device seconds per call that the profiler adds up, kernels and copies."""
    autograd: Any = torch.autograd  # it exports DeviceType to those who look for it
    on_gpu = autograd.DeviceType.CUDA
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(CALLS):
            call()
        torch.cuda.synchronize(device)
    events: Any = profiler.events()
    spans_us: list[float] = [
        event.time_range.elapsed_us()
        for event in events
        if event.device_type == on_gpu and not event.is_user_annotation
    ]
    return sum(spans_us) / 1e6 / CALLS


def _print(found: dict[str, Ratio]) -> None:
    for name, ratio in found.items():
        print(f"harness, {name:<34} {ratio.value:.4f} ± {ratio.spread:.4f}")
    device = environment.device()
    tools = cuda.instruments(device) if device.type == "cuda" else instruments.for_cpu()
    print(f"a call that does nothing, through the clock: {timing.overhead_s(tools.clock):.2e} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The harness beside other instruments.")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--json", type=Path, help="where the ratios go, as JSON")
    return parser


if __name__ == "__main__":
    chosen = _parser().parse_args()
    ratios = compare(chosen.size)
    _print(ratios)
    if chosen.json is not None:
        text = json.dumps({name: (ratio.value, ratio.spread) for name, ratio in ratios.items()})
        chosen.json.write_text(text + "\n")

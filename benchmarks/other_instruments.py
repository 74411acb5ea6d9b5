"""What the harness measures, beside other instruments: the same calls of one model in one process,
the instruments in turn, call by call, so that drift falls on all of them alike.

On a CPU: a bare loop and torch.utils.benchmark. On a GPU also a loop with events of its own around
each call, which starts from an empty queue as with the harness, and the sum of the kernels that the
profiler sees.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from time import monotonic, perf_counter
from typing import Any, Final

import torch
from torch.utils.benchmark import Timer

from benchmarks.ledger import Ledger
from harness.contract.plan import Case
from harness.contract.vocabulary import Size
from harness.devices import busy, cuda, registry
from harness.devices.protocols import Call, Clock
from harness.measure import timing
from harness.models import building, picture

WARM_UP: Final = 5
# A profile takes far longer than the calls in it.
PROFILED_CALLS: Final = 5
ROUNDS_PER_PROFILE: Final = 10
MODEL: Final = "resnet-50"
Instrument = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of a ratio over rounds, and two standard errors of that median (by the median
    absolute deviation: a machine with other work to do has rounds that say nothing)."""

    value: float
    spread: float
    rounds: int


class InstrumentError(Exception):
    """An instrument that the harness is held against gave nothing."""


def compare(size: Size, rounds: int) -> dict[str, Ratio]:
    """The harness over each other instrument, by name. Raises: InstrumentError; torch's errors."""
    with torch.no_grad(), timing.no_garbage_collection():
        return {name: measure() for name, measure in comparisons(size, rounds).items()}


def comparisons(size: Size, rounds: int) -> dict[str, Callable[[], Ratio]]:
    """What can be compared on this machine, by name; nothing is measured yet."""
    found_device = registry.first()
    device, tools = found_device.torch_device, found_device.instruments()
    call = model_call(size, device)
    for _ in range(WARM_UP):
        call()
    found = _walls(call, tools.clock, device, rounds)
    return found | (_on_the_device(call, tools.clock, device, rounds) if tools.accelerator else {})


def keep(ledger: Ledger, compared: Mapping[str, Callable[[], Ratio]], left_s: float) -> None:
    """Measure what the ledger lacks, and keep each ratio as soon as it is there. An instrument that
    fails is written down beside the ratios, and the others go on.

    Args:
        left_s: seconds until this process is ended.
    """
    end_s = monotonic() + left_s
    with torch.no_grad(), timing.no_garbage_collection():
        for name, measure in compared.items():
            if name in ledger.results() or not ledger.may_begin(name, end_s - monotonic()):
                continue
            ledger.begin(name)
            try:
                ratio = measure()
            except (InstrumentError, RuntimeError, AssertionError) as error:  # torch raises these
                said = f"{type(error).__name__}: {error}".splitlines()[0]
                ledger.keep(name, error=said)
                print(f"harness, {name:<34} {said}")
            else:
                ledger.keep(name, **asdict(ratio))
                show(name, ratio)


def model_call(size: Size, device: torch.device) -> Call:
    """A function that runs a model at batch 1."""
    case = Case(model=MODEL, recipe="default", precision="float32", batch_size=1)
    built = building.build(
        case,
        weights="random",
        size=size,
        seed=0,
        picture=picture.generated().image,
        device=device,
    )
    return lambda: built.module(**built.inputs)


def _walls(
    call: Call, clock: Clock, device: torch.device, rounds: int
) -> dict[str, Callable[[], Ratio]]:
    def to_its_end() -> None:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def ours() -> float:
        return _wall_s(clock, call)

    timer = Timer("call()", globals={"call": to_its_end}, num_threads=torch.get_num_threads())
    return {
        "wall / bare loop": lambda: _ratio(ours, lambda: _bare_s(to_its_end), rounds),
        "wall / torch.utils.benchmark": lambda: _ratio(
            ours, lambda: float(timer.timeit(1).mean), rounds
        ),
    }


def _on_the_device(
    call: Call, clock: Clock, device: torch.device, rounds: int
) -> dict[str, Callable[[], Ratio]]:
    return {
        "device time / event loop": lambda: _ratio(
            lambda: statistics.fmean(clock.time(call, 1).device_s or ()),
            lambda: _events_s(call, device),
            rounds,
        ),
        "device-busy / profiler's kernels": partial(_busy_ratio, call, clock, device, rounds),
    }


def _ratio(ours: Instrument, theirs: Instrument, rounds: int) -> Ratio:
    ratios = []
    for number in range(rounds):
        if number % 2:
            other_s, own_s = theirs(), ours()
        else:
            own_s, other_s = ours(), theirs()
        ratios.append(own_s / other_s)
    return summary(ratios)


def summary(ratios: list[float]) -> Ratio:
    """The ratio that these rounds show, and how well."""
    middle = statistics.median(ratios)
    deviation = statistics.median(abs(ratio - middle) for ratio in ratios)
    # 1.4826 makes a standard deviation of it, 1.2533 is the price of a median (both for a normal).
    spread = 2 * 1.2533 * 1.4826 * deviation / len(ratios) ** 0.5
    return Ratio(middle, spread, len(ratios))


def _wall_s(clock: Clock, call: Call) -> float:
    (sample_s,) = clock.time(call, 1).samples_s
    return sample_s


def _bare_s(call: Call) -> float:
    start_s = perf_counter()
    call()
    return perf_counter() - start_s


def _events_s(call: Call, device: torch.device) -> float:
    """A call from an empty queue, as the harness has it, by events of our own."""
    events: Any = torch.cuda.Event
    first, last = events(enable_timing=True), events(enable_timing=True)
    torch.cuda.synchronize(device)
    first.record()
    call()
    last.record()
    torch.cuda.synchronize(device)
    return float(first.elapsed_time(last)) / 1000


def _busy_ratio(call: Call, clock: Clock, device: torch.device, rounds: int) -> Ratio:
    """Both come from torch's profiler; what is compared is the way from its events to a time."""
    enqueue_s = statistics.median(clock.time(call, WARM_UP).enqueue_s or ())
    both: Mapping[Any, Call] = {"eager": call, "compiled": call}
    ratios = []
    for _ in range(math.ceil(rounds / busy.ROUNDS / ROUNDS_PER_PROFILE)):
        found = busy.measure(both, dict.fromkeys(both, enqueue_s), cuda.Cuda(device))
        if "eager" not in found.seconds:
            raise InstrumentError("; ".join(found.notes))
        theirs_s = _kernels_s(call, device)
        if theirs_s == 0:
            raise InstrumentError("the profiler saw no kernel")
        ratios += [ours_s / theirs_s for ours_s in found.seconds["eager"]]
    return summary(ratios)


def _kernels_s(call: Call, device: torch.device) -> float:
    """Device seconds per call that the profiler adds up, kernels and copies."""
    autograd: Any = torch.autograd  # it exports DeviceType to those who look for it
    on_gpu = autograd.DeviceType.CUDA
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(PROFILED_CALLS):
            call()
        torch.cuda.synchronize(device)
    events: Any = profiler.events()
    spans_us: list[float] = [
        event.time_range.elapsed_us()
        for event in events
        if event.device_type == on_gpu and not event.is_user_annotation
    ]
    return sum(spans_us) / 1e6 / PROFILED_CALLS


def show(name: str, ratio: Ratio) -> None:
    print(f"harness, {name:<34} {ratio.value:.4f} ± {ratio.spread:.4f}")


def show_empty_call() -> None:
    tools = registry.first().instruments()
    print(f"a call that does nothing, through the clock: {timing.overhead_s(tools.clock):.2e} s")

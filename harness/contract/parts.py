"""The parts of a measurement: blocks of raw samples, and the evidence around them.

They belong to the contract; `harness.contract.records` puts them together.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.contract.vocabulary import (
    MAX_COUNT,
    Amount,
    Count,
    PositiveSeconds,
    Seconds,
    ShortText,
    Strict,
    Variant,
    is_absent,
)


class BlockTelemetry(Strict):
    """What NVML said while a block ran: medians over its samples, and every throttle reason seen.

    A value that this GPU does not report is None.
    """

    sm_clock_mhz: Amount | None
    memory_clock_mhz: Amount | None
    temperature_c: Annotated[float, Field(ge=-1e6, le=1e6)] | None
    power_w: Amount | None
    throttle: tuple[ShortText, ...] = ()


class Disturbance(Strict):
    """What else was at work while a block ran; what could not be read is None.

    Shares are of all processors of the machine over the time of the block: `others_share` what
    processes outside this project took, `stolen_share` what a hypervisor gave to other guests,
    `pressure_share` how long some task waited for a processor (pressure-stall information).
    `involuntary_switches` counts how often this process had to give one up. `gpu_processes` names
    others that computed on the GPU.
    """

    others_share: Amount | None = None
    stolen_share: Amount | None = None
    pressure_share: Amount | None = None
    involuntary_switches: Count | None = None
    gpu_processes: tuple[ShortText, ...] = ()


class Block(Strict):
    """Consecutive calls of one variant; blocks are listed in the order in which they were taken.

    `samples_s` is what a caller waits: wall time of the call and the synchronisation after it.
    `device_s` is the time between two device events around the call, `enqueue_s` the time until
    the call itself returned, from an empty queue; both absent on a CPU. `retaken` counts the
    attempts at this block that were thrown away because throttling disturbed them.
    """

    variant: Variant
    samples_s: Annotated[tuple[PositiveSeconds, ...], Field(min_length=1)]
    device_s: tuple[Seconds, ...] | None = None
    enqueue_s: tuple[Seconds, ...] | None = None
    telemetry: BlockTelemetry | None = None
    retaken: Count = 0
    disturbance: Annotated[Disturbance | None, Field(exclude_if=is_absent)] = None

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        for name, times_s in (("device_s", self.device_s), ("enqueue_s", self.enqueue_s)):
            if times_s is not None and len(times_s) != len(self.samples_s):
                raise ValueError(f"{name} and samples_s differ in length")
        return self


class WarmUp(Strict):
    """One variant before it is timed: its first call, then calls until times were stable."""

    first_call_s: PositiveSeconds
    samples_s: tuple[PositiveSeconds, ...]
    stable: bool


class CompileEvidence(Strict):
    """What the compiler itself counted: the proof that compiled code ran.

    `kernels` counts the launches of generated kernels in one call, those of libraries aside; None
    where the backend generates none. Records from before it counted what Inductor wrote, which
    under max-autotune is also what it only tried.
    `gates` are optimisations that the compiler left out on this device, and why. `cuda_graphs`
    counts the graphs that Inductor had recorded when timing was over, `cuda_graph_launches` those
    that one call launched, as the profiler saw it; None where the mode asks for none, or where
    nobody looked.
    """

    backend: ShortText
    graphs: Count
    frames_compiled: Count
    kernels: Count | None
    graph_breaks: Count
    graph_break_reasons: tuple[ShortText, ...] = ()
    recompiles_while_timing: Count = 0
    recompile_reasons: tuple[ShortText, ...] = ()
    cuda_graphs: Count | None = None
    cuda_graph_launches: Amount | None = None
    cuda_graph_skips: Count = 0
    cuda_graph_skip_reasons: tuple[ShortText, ...] = ()
    gates: tuple[ShortText, ...] = ()
    compile_threads: Count | None = None


class Agreement(Strict):
    """How close compiled output is to eager output.

    Errors are relative: the root mean square of the difference over that of the reference, for
    the worst output tensor. `reference` says whether eager itself was the reference (enough when
    within `tolerance`) or a float64 run of the model that both were held against.

    `top1_agrees`: for classifiers, whether every image gets the same class; where it is false, the
    reference holds both classes for equally likely within the tolerance. `mask_iou`: where outputs
    are masks, the intersection over union of all thresholded masks of an image, of the worst image.
    """

    tensors: Annotated[int, Field(ge=1, le=MAX_COUNT)]
    worst_tensor: ShortText
    relative_error: Annotated[float, Field(ge=0)]
    eager_repeat_error: Annotated[float, Field(ge=0)]
    tolerance: Annotated[float, Field(gt=0)]
    reference: Literal["eager", "float64"]
    top1_agrees: bool | None = None
    mask_iou: Annotated[float, Field(ge=0, le=1)] | None = None


class ModelFacts(Strict):
    """What was built, read back from the object itself.

    `flops_per_image` counts two per multiply-add, on the inputs of the case; None where the model
    could not be counted.
    """

    architecture: str
    parameters: Count
    dtype: str
    attention: str | None
    revision: str | None
    inputs: dict[str, tuple[Count, ...]]
    flops_per_image: Count | None = None


class EnergyUse(Strict):
    """What the GPU's energy counter added up to while one variant ran alone."""

    joules: Amount
    images: Annotated[int, Field(ge=1, le=MAX_COUNT)]
    seconds: PositiveSeconds


class Energy(Strict):
    """The energy of both variants, each over a stretch of its own."""

    eager: EnergyUse
    compiled: EnergyUse

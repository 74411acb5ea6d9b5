"""One case, stage by stage: verify, compile, warm up, time.

Eager and compiled share the process, the weights and the input tensors, so that they differ in
nothing but the compiler. In an A/A case the second variant is the eager model itself.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from harness.contract.plan import Case, CaseAttempt, Plan
from harness.contract.recipes import Recipe
from harness.contract.records import Agreement, CompileEvidence, Measurement, WarmUp
from harness.devices import presence, registry
from harness.devices.busy import Busy
from harness.devices.compute_device import ComputeDevice
from harness.devices.instruments import Instruments
from harness.devices.protocols import Call, Clock
from harness.measure import failures, flops, timed_calls, timing, verify
from harness.measure.stages import Stages
from harness.measure.verify import Outputs
from harness.models import building
from harness.models.building import Built
from harness.recipes import compiling as compiler
from harness.recipes import cuda_graphs, generated_code
from harness.recipes.generated_code import Launches


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case whose model and inputs are on the device."""

    plan: Plan
    attempt: CaseAttempt
    device: ComputeDevice
    built: Built
    instruments: Instruments

    @property
    def clock(self) -> Clock:
        return self.instruments.clock

    @property
    def case(self) -> Case:
        return self.attempt.case

    @property
    def recipe(self) -> Recipe:
        return self.case.how

    @property
    def asks_for_cuda_graphs(self) -> bool:
        """Whether the recipe records CUDA graphs, where it can."""
        return self.recipe.records_cuda_graphs and self.device.has_cuda_graphs

    def call(self, module: Callable[..., Any]) -> Call:
        """A function of no arguments that runs `module` on the inputs of the case."""
        inputs = self.built.inputs
        return lambda: module(**inputs)


@dataclass(frozen=True, slots=True)
class Eager:
    """The eager model, and what it answered: twice, for its own noise."""

    call: Call
    expected: Outputs
    repeated: Outputs
    first_call_s: float
    peak_memory_bytes: int | None
    process_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """The compiled model after its first call, which compiled it; `kernels` are the launches of
    generated kernels per call, None where none are generated."""

    call: Call
    agreement: Agreement
    first_call_s: float
    kernels: int | None


@dataclass(frozen=True, slots=True)
class Warm:
    """Both variants in their steady state."""

    eager: WarmUp
    compiled: WarmUp
    compiled_peak_memory_bytes: int | None
    compiled_process_memory_bytes: int | None


def build(plan: Plan, attempt: CaseAttempt, picture_path: str, gpu_uuid: str = "") -> Prepared:
    """Load the model and its inputs onto the device.

    Args:
        gpu_uuid: of the GPU which the run began on; empty where it may be any device.
    Raises: GpuError, where that GPU is gone; LoadError, UnsupportedModelError,
    UnsupportedCaseError; torch's out-of-memory error.
    """
    presence.require_gpu(gpu_uuid)
    device = registry.first()
    case = attempt.case
    compiler.require(case.how, device)
    compiler.set_precision(case.precision, device)
    with Image.open(picture_path) as picture:
        built = building.build(
            case,
            weights=plan.weights,
            size=plan.size,
            seed=plan.seed,
            picture=picture,
            device=device.torch_device,
            pickled_weights=plan.pickled_weights,
        )
    return Prepared(plan, attempt, device, built, device.instruments())


def measure(
    prepared: Prepared, stages: Stages, start_up_s: float, flops_per_image: int | None
) -> Measurement:
    """Take the measurement of a built case.

    Args:
        flops_per_image: where they have been counted before; counted after timing otherwise.
    Raises: whatever torch raises; DegenerateOutputError, DisagreementError, FellBackError,
    RecompiledError.
    """
    asked_for = prepared.asks_for_cuda_graphs
    with torch.no_grad(), cuda_graphs.skips(asked_for=asked_for) as skips:
        with stages.enter("verify"):
            eager = _verify(prepared)
        with stages.enter("compile"):
            compiled = _compile(prepared, eager)
        with stages.enter("warmup"):
            warm = _warm_up(prepared, eager, compiled)
        with stages.enter("measure"):
            timed = timed_calls.take(
                {"eager": eager.call, "compiled": compiled.call},
                prepared.instruments,
                prepared.plan.protocol,
                images_per_call=prepared.case.batch_size,
                with_energy=not prepared.case.is_a_a,
            )
            # CUDA graphs replay only from the third call on: what was timed must agree as well.
            agreement = verify.worse(
                compiled.agreement, _agreement(prepared, eager, compiled.call())
            )
    evidence = (
        None if prepared.case.is_a_a else _evidence(prepared, skips, compiled.kernels, timed.busy)
    )
    built = prepared.built
    if flops_per_image is None:
        flops_per_image = flops.per_image(built.module, built.inputs, prepared.case.batch_size)
    return Measurement(
        case=prepared.case,
        process=prepared.attempt.process,
        build=prepared.attempt.build,
        facts=built.facts.model_copy(update={"flops_per_image": flops_per_image}),
        clock=prepared.clock.name,
        blocks=timed.blocks,
        eager=warm.eager,
        compiled=warm.compiled,
        compile_evidence=evidence,
        agreement=agreement,
        eager_peak_memory_bytes=eager.peak_memory_bytes,
        compiled_peak_memory_bytes=warm.compiled_peak_memory_bytes,
        eager_process_memory_bytes=eager.process_memory_bytes,
        compiled_process_memory_bytes=warm.compiled_process_memory_bytes,
        overhead_s=timed.overhead_s,
        stage_s=stages.seconds,
        start_up_s=start_up_s,
        eager_busy_s=timed.busy.seconds.get("eager"),
        compiled_busy_s=timed.busy.seconds.get("compiled"),
        energy=timed.energy,
        flags=timed.flags,
        telemetry_note=timed.telemetry_note,
        stopped_early=timed.stopped_early,
        notes=(*timed.notes, *timed.busy.notes, *compiler.given_up()),
    )


def compile_again(prepared: Prepared) -> float:
    """Seconds of the first compiled call in a process that finds the caches filled.

    Raises: as `measure`.
    """
    with torch.no_grad():
        eager = _verify(prepared)
        return _compile(prepared, eager).first_call_s


def _verify(prepared: Prepared) -> Eager:
    """Run eager twice. This also settles lazy state before compiling: SegFormer, compiled
    without an eager call before, breaks into seven graphs."""
    call = prepared.call(prepared.built.module)
    output, first_call_s = _first_call(call, prepared.clock)
    expected = verify.flatten(output)
    del output
    verify.refuse_degenerate(expected)
    prepared.device.forget_cached_memory()
    call()  # the peak is that of a call beside the workspaces that libraries keep from the first on
    repeated = verify.flatten(call())
    return Eager(
        call,
        expected,
        repeated,
        first_call_s,
        prepared.device.peak_memory_bytes(),
        prepared.instruments.process_memory_bytes(),
    )


def _compile(prepared: Prepared, eager: Eager) -> Compiled:
    module = prepared.built.module
    call = prepared.call(compiler.compiled(module, prepared.recipe))
    launches = Launches()

    def compiling() -> object:
        with generated_code.counted(launches):
            return call()

    first = compiling if prepared.recipe.generates_code else call
    output, first_call_s = _first_call(first, prepared.clock)
    if not prepared.case.is_a_a:
        _require_compiled_code(compiler.evidence(prepared.recipe.backend))
    return Compiled(call, _agreement(prepared, eager, output), first_call_s, launches.per_call)


def _agreement(prepared: Prepared, eager: Eager, output: object) -> Agreement:
    """Hold an output of the compiled model against eager. Raises: DisagreementError."""
    module, inputs = prepared.built.module, prepared.built.inputs
    return verify.agree(
        eager.expected,
        eager.repeated,
        verify.flatten(output),
        prepared.case.precision,
        reference=lambda: verify.float64_outputs(module, inputs),
    )


def _warm_up(prepared: Prepared, eager: Eager, compiled: Compiled) -> Warm:
    """Compiled first: its memory is read before eager fills the allocator's caches again."""
    clock, protocol = prepared.clock, prepared.plan.protocol
    gc.collect()  # what the compiler left behind; from here on nothing is collected while timing
    prepared.device.forget_cached_memory()
    samples_s, stable = timing.warm_up(compiled.call, clock, protocol)
    warm = WarmUp(first_call_s=compiled.first_call_s, samples_s=samples_s, stable=stable)
    peak_bytes = prepared.device.peak_memory_bytes()
    process_bytes = prepared.instruments.process_memory_bytes()
    samples_s, stable = timing.warm_up(eager.call, clock, protocol)
    return Warm(
        WarmUp(first_call_s=eager.first_call_s, samples_s=samples_s, stable=stable),
        warm,
        peak_bytes,
        process_bytes,
    )


def _evidence(
    prepared: Prepared, skips: Sequence[str], kernels: int | None, busy: Busy
) -> CompileEvidence:
    recorded = None
    if prepared.asks_for_cuda_graphs:
        recorded = cuda_graphs.recorded(prepared.device.torch_device)
    return compiler.evidence(
        prepared.recipe.backend,
        kernels=kernels,
        cuda_graphs=recorded,
        cuda_graph_launches=None if recorded is None else busy.graph_launches,
        cuda_graph_skip_reasons=cuda_graphs.reasons(recorded, skips),
        gates=compiler.gates(prepared.recipe, prepared.device.multiprocessors),
    )


def _first_call(call: Call, clock: Clock) -> tuple[object, float]:
    """Call once through the clock and keep the output."""
    kept: list[object] = []
    times = clock.time(lambda: kept.append(call()), 1)
    return kept[0], times.samples_s[0]


def _require_compiled_code(evidence: CompileEvidence) -> None:
    if evidence.graphs == 0 or evidence.frames_compiled == 0:
        raise failures.FellBackError(
            "torch.compile ran the model without compiling anything: no graph was captured"
        )

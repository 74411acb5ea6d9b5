"""One case, stage by stage: verify, compile, warm up, time.

Eager and compiled share the process, the weights and the input tensors, so that they differ in
nothing but the compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from harness import clocks, environment, failures, models, timing, verify
from harness import compile as compiler
from harness.models import Built
from harness.plan import Case, Plan
from harness.records import Agreement, Block, CompileEvidence, Measurement, WarmUp
from harness.stages import Stages
from harness.timing import Call, Clock
from harness.verify import Outputs


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case whose model and inputs are on the device."""

    plan: Plan
    case: Case
    device: torch.device
    built: Built
    clock: Clock

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


@dataclass(frozen=True, slots=True)
class Compiled:
    """The compiled model after its first call, which compiled it."""

    call: Call
    agreement: Agreement
    first_call_s: float


def build(plan: Plan, case: Case, picture_path: str) -> Prepared:
    """Load the model and its inputs onto the device.

    Raises: LoadError, UnsupportedModelError, UnsupportedCaseError; torch's out-of-memory error.
    """
    device = environment.device()
    compiler.set_precision(case.precision, device)
    with Image.open(picture_path) as picture:
        built = models.build(
            case,
            weights=plan.weights,
            size=plan.size,
            seed=plan.seed,
            picture=picture,
            device=device,
        )
    return Prepared(plan, case, device, built, clocks.clock_for(device))


def measure(prepared: Prepared, stages: Stages, start_up_s: float) -> Measurement:
    """Take the measurement of a built case.

    Raises: whatever torch raises; DegenerateOutputError, DisagreementError, FellBackError,
    RecompiledError.
    """
    protocol = prepared.plan.protocol
    with torch.no_grad():
        with stages.enter("verify"):
            eager = _verify(prepared)
        with stages.enter("compile"):
            compiled = _compile(prepared, eager)
        with stages.enter("warmup"):
            eager_samples_s, eager_stable = timing.warm_up(eager.call, prepared.clock, protocol)
            environment.reset_peak_memory(prepared.device)
            compiled_samples_s, compiled_stable = timing.warm_up(
                compiled.call, prepared.clock, protocol
            )
            compiled_peak_bytes = environment.peak_memory_bytes(prepared.device)
        with stages.enter("measure"):
            blocks, evidence = _time(prepared, eager.call, compiled.call)
    return Measurement(
        case=prepared.case,
        facts=prepared.built.facts,
        clock=prepared.clock.name,
        blocks=blocks,
        eager=WarmUp(
            first_call_s=eager.first_call_s, samples_s=eager_samples_s, stable=eager_stable
        ),
        compiled=WarmUp(
            first_call_s=compiled.first_call_s,
            samples_s=compiled_samples_s,
            stable=compiled_stable,
        ),
        compile_evidence=evidence,
        agreement=compiled.agreement,
        eager_peak_memory_bytes=eager.peak_memory_bytes,
        compiled_peak_memory_bytes=compiled_peak_bytes,
        overhead_s=timing.overhead_s(prepared.clock),
        stage_s=stages.seconds,
        start_up_s=start_up_s,
    )


def _verify(prepared: Prepared) -> Eager:
    """Run eager twice. This also settles lazy state before compiling: SegFormer, compiled
    without an eager call before, breaks into seven graphs."""
    call = prepared.call(prepared.built.module)
    output, first_call_s = _first_call(call, prepared.clock)
    expected = verify.flatten(output)
    del output
    verify.refuse_degenerate(expected)
    environment.reset_peak_memory(prepared.device)
    repeated = verify.flatten(call())
    return Eager(
        call, expected, repeated, first_call_s, environment.peak_memory_bytes(prepared.device)
    )


def _compile(prepared: Prepared, eager: Eager) -> Compiled:
    module, inputs = prepared.built.module, prepared.built.inputs
    call = prepared.call(compiler.compiled(module, prepared.case.mode, prepared.plan.backend))
    output, first_call_s = _first_call(call, prepared.clock)
    if prepared.case.mode != "eager":
        _require_compiled_code(compiler.evidence(prepared.plan.backend))
    agreement = verify.agree(
        eager.expected,
        eager.repeated,
        verify.flatten(output),
        prepared.case.precision,
        reference=lambda: verify.float64_outputs(module, inputs),
    )
    return Compiled(call, agreement, first_call_s)


def _time(
    prepared: Prepared, eager: Call, compiled: Call
) -> tuple[tuple[Block, ...], CompileEvidence | None]:
    protocol = prepared.plan.protocol
    slots = timing.schedule(protocol.iterations, protocol.max_blocks)
    mark = compiler.CompilationLog.mark()
    blocks = timing.measure(slots, {"eager": eager, "compiled": compiled}, prepared.clock)
    if prepared.case.mode == "eager":
        return tuple(blocks), None
    evidence = compiler.evidence(prepared.plan.backend, mark.recompiles_since())
    if evidence.recompiles_while_timing:
        raise failures.RecompiledError(
            f"{evidence.recompiles_while_timing} graphs were compiled while timing: "
            "the samples mix compiling and running"
        )
    return tuple(blocks), evidence


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

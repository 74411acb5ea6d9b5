"""Real records with made-up times: every test that needs a run builds it from these."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from harness.contract.plan import Case, Picture, Plan
from harness.contract.records import (
    Agreement,
    Block,
    BlockTelemetry,
    CompileEvidence,
    Device,
    Energy,
    EnergyUse,
    Environment,
    Failure,
    Measurement,
    ModelFacts,
    Started,
    WarmUp,
)
from harness.contract.vocabulary import Precision, Reason, Variant
from orchestrator.compare.comparison import Comparison, RunInfo
from orchestrator.compare.judging import build
from orchestrator.records.outcomes import Ending, HostOutcome


def case(
    model: str = "vit-base",
    batch_size: int = 1,
    recipe: str = "default",
    precision: Precision = "float32",
) -> Case:
    return Case(model=model, recipe=recipe, precision=precision, batch_size=batch_size)


def plan(cases: Iterable[Case] = (), **settings: object) -> Plan:
    """A plan that covers these cases, and whatever else their models, modes and so on span."""
    listed = list(cases) or [case()]
    spanned = {
        "models": tuple(dict.fromkeys(each.model for each in listed)),
        "recipes": tuple(dict.fromkeys(each.recipe for each in listed)),
        "precisions": tuple(dict.fromkeys(each.precision for each in listed)),
        "batch_sizes": tuple(dict.fromkeys(each.batch_size for each in listed)),
        "picture": Picture(url="https://example.org/cats.jpg"),
    }
    return Plan.model_validate(spanned | settings)


def environment(gpu: str = "NVIDIA A100-SXM4-40GB", **changes: object) -> Environment:
    values = {
        "device": Device(
            type="cuda", name=gpu, capability="8.0", memory_bytes=40 * 2**30, driver="580.95.05"
        ),
        "torch": "2.13.0",
        "torch_cuda": "13.0",
        "torch_arch_list": ("sm_75", "sm_80", "sm_90"),
        "triton": "3.7.1",
        "transformers": "5.17.0",
        "numpy": "2.3.0",
        "python": "3.12.3",
        "platform": "Linux-6.8-x86_64",
        "cpu": "AMD EPYC 7R32",
        "cpu_count": 16,
        "torch_threads": 8,
        "memory_bytes": 128 * 2**30,
        "cxx_compiler": "g++ 13.3.0",
        "float32_matmul_precision": "highest",
        "cudnn_allow_tf32": True,
        "cudnn_version": 91002,
        "in_container": True,
    }
    return Environment.model_validate(values | changes)


def started(cases: Sequence[Case] = (), **changes: object) -> Started:
    values = {
        "plan_id": plan(cases).plan_id,
        "harness_revision": "1234abcd",
        "started_at": "2026-11-23T10:00:00Z",
        "environment": environment(),
        "picture": "cats.jpg, 640 x 480",
        "case_ids": tuple(each.case_id for each in cases),
    }
    return Started.model_validate(values | changes)


def measurement(
    of: Case | None = None,
    *,
    eager_s: float = 0.010,
    compiled_s: float = 0.008,
    noise: float = 0.0,
    blocks: int = 30,
    calls: int = 10,
    compile_s: float = 30.0,
    graph_breaks: int = 0,
    stable: bool = True,
) -> Measurement:
    """A measured case; every block's times are scattered by `noise`, a share of the mean."""
    of = of or case()
    generator = random.Random(of.case_id)
    times_s: dict[Variant, float] = {"eager": eager_s, "compiled": compiled_s}

    def block(variant: Variant, mean_s: float) -> Block:
        center_s = mean_s * (1 + noise * generator.gauss(0, 1))
        return Block(variant=variant, samples_s=(max(center_s, mean_s / 100),) * calls)

    def warm_up(first_call_s: float, mean_s: float) -> WarmUp:
        return WarmUp(first_call_s=first_call_s, samples_s=(mean_s,) * 20, stable=stable)

    return Measurement(
        case=of,
        facts=ModelFacts(
            architecture="ViTForImageClassification",
            parameters=86_567_656,
            dtype="float32",
            attention="sdpa",
            revision=None,
            inputs={"pixel_values": (of.batch_size, 3, 224, 224)},
        ),
        clock="cuda",
        blocks=tuple(
            block(variant, mean_s) for _ in range(blocks) for variant, mean_s in times_s.items()
        ),
        eager=warm_up(eager_s * 3, eager_s),
        compiled=warm_up(compile_s, compiled_s),
        compile_evidence=None
        if of.is_a_a
        else CompileEvidence(
            backend=of.how.backend,
            graphs=1,
            frames_compiled=1,
            kernels=40,
            graph_breaks=graph_breaks,
        ),
        agreement=Agreement(
            tensors=1,
            worst_tensor="logits",
            relative_error=3.2e-7,
            eager_repeat_error=0.0,
            tolerance=1e-3,
            reference="eager",
        ),
        eager_peak_memory_bytes=420 * 2**20,
        compiled_peak_memory_bytes=380 * 2**20,
        overhead_s=1e-6,
        stage_s={"measure": 6.0},
        start_up_s=5.0,
    )


def on_gpu(
    measured: Measurement,
    *,
    device_s: tuple[float, float] = (0.0098, 0.0078),
    enqueue_s: tuple[float, float] = (0.004, 0.002),
    busy_s: tuple[float, float] | None = (0.0097, 0.0077),
    clocks_mhz: tuple[float, float] = (1410.0, 1410.0),
    throttle: tuple[str, ...] = (),
    joules: tuple[float, float] | None = (3000.0, 2700.0),
    retaken: int = 0,
    flops_per_image: int | None = 35_000_000_000,
    **changes: object,
) -> Measurement:
    """The same measurement with what a GPU tells beside wall times; pairs are eager, compiled."""

    def told(block: Block) -> dict[str, object]:
        compiled = block.variant == "compiled"
        telemetry = BlockTelemetry(
            sm_clock_mhz=clocks_mhz[compiled],
            memory_clock_mhz=1215.0,
            temperature_c=55.0,
            power_w=250.0,
            throttle=throttle,
        )
        return block.model_dump() | {
            "device_s": (device_s[compiled],) * len(block.samples_s),
            "enqueue_s": (enqueue_s[compiled],) * len(block.samples_s),
            "telemetry": telemetry,
        }

    blocks = [told(block) for block in measured.blocks]
    blocks[0]["retaken"] = retaken
    images = 1200 * measured.case.batch_size
    values = measured.model_dump() | {
        "blocks": tuple(blocks),
        "facts": measured.facts.model_dump() | {"flops_per_image": flops_per_image},
        "eager_busy_s": None if busy_s is None else (busy_s[0],) * 5,
        "compiled_busy_s": None if busy_s is None else (busy_s[1],) * 5,
        "energy": None
        if joules is None
        else Energy(
            eager=EnergyUse(joules=joules[0], images=images, seconds=12.0),
            compiled=EnergyUse(joules=joules[1], images=images, seconds=10.0),
        ),
    }
    return Measurement.model_validate(values | changes)


def failure(
    of: Case | None = None,
    reason: Reason = "oom",
    message: str = "CUDA out of memory",
    traceback: str = "",
) -> Failure:
    case_id = None if of is None else of.case_id
    return Failure(
        case_id=case_id, stage="compile", reason=reason, message=message, traceback=traceback
    )


def outcome(
    host: str = "a100",
    *records: Measurement | Failure,
    of: Environment | None = None,
    ending: Ending = "finished",
    remarks: Iterable[str] = (),
) -> HostOutcome:
    """What one host delivered; failures without a case are the host's own."""
    failures = [record for record in records if isinstance(record, Failure)]
    return HostOutcome(
        host=host,
        ending=ending,
        environments=(of or environment(),),
        harness_revision="1234abcd",
        picture="cats.jpg, 640 x 480",
        measurements={each.case_id: each for each in records if isinstance(each, Measurement)},
        failures={each.case_id: each for each in failures if each.case_id is not None},
        host_failures=tuple(each for each in failures if each.case_id is None),
        remarks=tuple(remarks),
    )


def comparison(*outcomes: HostOutcome, of: Plan | None = None) -> Comparison:
    """The comparison of a run; its plan spans all cases that any outcome knows."""
    ids = dict.fromkeys(i for each in outcomes for i in (*each.measurements, *each.failures))
    cases = [_case_of(case_id) for case_id in ids]
    compared = [each for each in cases if not each.is_a_a]
    noise_floor = tuple(each for each in cases if each.is_a_a)
    chosen = of or plan(compared, noise_floor=noise_floor)
    command = "python orchestrate.py --hosts a100"
    run = RunInfo("2026-11-23-a", "2026-11-23 10:00 UTC", command, chosen)
    return build(run, chosen, outcomes)


def _case_of(case_id: str) -> Case:
    model, recipe, precision, batch = case_id.rsplit("/", 3)
    return Case.model_validate(
        {"model": model, "recipe": recipe, "precision": precision, "batch_size": int(batch[1:])}
    )

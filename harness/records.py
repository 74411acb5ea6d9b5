"""The contract between the harness and the desk: a plan goes in, records come out.

Everything that crosses the process boundary is defined here and nowhere else. Records are JSON
lines; raw samples are stored and whatever can be derived from them is recomputed on the desk.
A failure is a record, never a missing row and never NaN. Units are part of a field's name.

This module imports neither torch nor anything of the desk, so both halves can load it quickly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

# History of the format. A reader upgrades older records step by step and refuses newer ones.
#   1  first version
SCHEMA_VERSION: Final = 1

Mode: TypeAlias = Literal[
    "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"
]
Precision: TypeAlias = Literal["float32", "ieee", "tf32", "float16", "bfloat16"]
Weights: TypeAlias = Literal["pretrained", "random"]
Backend: TypeAlias = Literal["inductor", "aot_eager"]
Size: TypeAlias = Literal["full", "tiny"]
Variant: TypeAlias = Literal["eager", "compiled"]
Stage: TypeAlias = Literal["build", "verify", "compile", "warmup", "measure"]
Task: TypeAlias = Literal["image-classification", "image-segmentation", "object-detection"]
ClockName: TypeAlias = Literal["cpu", "cuda"]

Reason: TypeAlias = Literal[
    "oom",  # the GPU's or the machine's memory did not suffice
    "compile_error",  # torch.compile raised
    "fell_back_to_eager",  # the call worked, but no compiled code ran
    "recompiled",  # compiled code changed while it was being timed
    "disagreement",  # compiled output differs from eager output
    "degenerate_output",  # outputs are constant or not finite: agreement would prove nothing
    "unsupported",  # this device cannot do what the case asks for
    "timeout",  # the case exceeded its time limit and was killed
    "crash",  # the process of the case died
    "load_error",  # model, processor or picture could not be loaded
    "out_of_disk",  # a write failed for lack of space
    "error",  # any other exception; the traceback tells
]

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

# Reasons that a second attempt on the same machine would only repeat.
LASTING_REASONS: Final[frozenset[Reason]] = frozenset({"oom", "unsupported"})

Seconds: TypeAlias = Annotated[float, Field(ge=0)]
PositiveSeconds: TypeAlias = Annotated[float, Field(gt=0)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
ShortText: TypeAlias = Annotated[str, Field(max_length=4096)]

MAX_TRACEBACK_CHARACTERS: Final = 4096
MAX_LISTED_REASONS: Final = 20


class Strict(BaseModel):
    """Base of everything that crosses the boundary: immutable, exact types, no NaN, no extras."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Case(Strict):
    """One measurement to take: eager against one compiled variant of one model.

    `model` is a short name of the catalogue, a Hub id or a local directory.
    """

    model: Annotated[str, Field(min_length=1, max_length=512)]
    mode: Mode
    precision: Precision
    batch_size: Annotated[int, Field(ge=1)]

    @property
    def case_id(self) -> str:
        """The join key across hosts and runs, such as `vit-base/default/float32/b16`."""
        return f"{self.model}/{self.mode}/{self.precision}/b{self.batch_size}"


class Protocol(Strict):
    """How a case is measured. The defaults are the ones of the published page, made stricter."""

    iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    max_blocks: Annotated[int, Field(ge=1)] = 30
    warmup_min_calls: Annotated[int, Field(ge=1)] = 20
    warmup_min_s: Seconds = 2.0
    warmup_max_calls: Annotated[int, Field(ge=1)] = 300
    warmup_max_s: Seconds = 60.0
    case_limit_s: PositiveSeconds = 3600.0
    heartbeat_s: PositiveSeconds = 5.0


class Picture(Strict):
    """The one image that every model sees.

    `content_base64` carries a picture chosen on the desk to the host; without it the harness
    downloads `url`. With `fallback` a generated picture stands in when the download fails.
    """

    url: ShortText
    content_base64: str | None = None
    fallback: bool = False


class Plan(Strict):
    """What one host is to measure: models x modes x precisions x batch sizes.

    `plan_id` is a hash of the content, filled in when absent and verified when given. `skip` names
    cases that need no measuring again; it is not part of the hash, so a resumed run keeps its id.
    """

    kind: Literal["plan"] = "plan"
    schema_version: int = SCHEMA_VERSION
    plan_id: str = ""
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = ("default",)
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("float32",)
    batch_sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (
        1,
        4,
        16,
    )
    protocol: Protocol = Protocol()
    weights: Weights = "pretrained"
    picture: Picture
    backend: Backend = "inductor"
    size: Size = "full"
    seed: int = 0
    skip: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _identify(self) -> Self:
        expected = self._content_hash()
        if self.plan_id == "":
            object.__setattr__(self, "plan_id", expected)
        elif self.plan_id != expected:
            raise ValueError(f"plan_id {self.plan_id!r} does not match the content ({expected})")
        return self

    def _content_hash(self) -> str:
        content = self.model_dump(mode="json", exclude={"plan_id", "skip"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def all_cases(self) -> Iterator[Case]:
        """Every case of the plan, the batch sizes of one model next to each other."""
        for model in self.models:
            for precision in self.precisions:
                for mode in self.modes:
                    for batch_size in self.batch_sizes:
                        yield Case(
                            model=model, mode=mode, precision=precision, batch_size=batch_size
                        )

    def cases(self) -> tuple[Case, ...]:
        """The cases still to measure, in the order in which they run."""
        skipped = set(self.skip)
        return tuple(case for case in self.all_cases() if case.case_id not in skipped)


class Device(Strict):
    """The processor that did the work. For a CPU only the first two fields are set."""

    type: ClockName
    name: ShortText
    uuid: str | None = None
    capability: str | None = None
    memory_bytes: Count | None = None
    multiprocessors: Count | None = None
    driver: str | None = None


class Environment(Strict):
    """All that must be equal, or named, before two results may be compared."""

    device: Device
    torch: str
    torch_cuda: str | None
    torch_arch_list: tuple[str, ...]
    triton: str | None
    transformers: str
    numpy: str
    python: str
    platform: ShortText
    cpu: ShortText
    cpu_count: Count
    torch_threads: Count
    memory_bytes: Count | None
    cxx_compiler: str | None
    float32_matmul_precision: str
    cudnn_allow_tf32: bool | None
    cudnn_version: int | None
    in_container: bool


class Envelope(Strict):
    """What every record carries: its number on this host, and when it was made.

    `seq` counts from 0 per stream, so a reader can drop what it already has and see a gap.
    `elapsed_s` is measured on the supervisor's monotonic clock from the start of the stream.
    """

    seq: Count = 0
    elapsed_s: Seconds = 0.0


class Started(Envelope):
    """The first record of a stream."""

    kind: Literal["started"] = "started"
    schema_version: int = SCHEMA_VERSION
    plan_id: str
    harness_revision: str
    started_at: str
    environment: Environment
    picture: ShortText
    case_ids: tuple[str, ...]


class CaseStarted(Envelope):
    """A case entered a stage; the stage `build` opens the case."""

    kind: Literal["case_started"] = "case_started"
    case_id: str
    stage: Stage


class Block(Strict):
    """Consecutive calls of one variant; blocks are listed in the order in which they were taken.

    `samples_s` is what a caller waits: wall time of the call and the synchronisation after it.
    `device_s` is the time between two device events around the call; absent on a CPU.
    """

    variant: Variant
    samples_s: Annotated[tuple[PositiveSeconds, ...], Field(min_length=1)]
    device_s: tuple[Seconds, ...] | None = None

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if self.device_s is not None and len(self.device_s) != len(self.samples_s):
            raise ValueError("device_s and samples_s differ in length")
        return self


class WarmUp(Strict):
    """One variant before it is timed: its first call, then calls until times were stable."""

    first_call_s: PositiveSeconds
    samples_s: tuple[PositiveSeconds, ...]
    stable: bool


class CompileEvidence(Strict):
    """What the compiler itself counted: the proof that compiled code ran."""

    backend: Backend
    graphs: Count
    frames_compiled: Count
    kernels: Count | None
    graph_breaks: Count
    graph_break_reasons: tuple[ShortText, ...] = ()
    recompiles_while_timing: Count = 0
    cuda_graph_skips: Count = 0
    compile_threads: Count | None = None


class Agreement(Strict):
    """How close compiled output is to eager output.

    Errors are relative: the root mean square of the difference over that of the reference, for
    the worst output tensor. `reference` says whether eager itself was the reference (enough when
    within `tolerance`) or a float64 run of the model that both were held against.
    """

    tensors: Annotated[int, Field(ge=1)]
    worst_tensor: ShortText
    relative_error: Annotated[float, Field(ge=0)]
    eager_repeat_error: Annotated[float, Field(ge=0)]
    tolerance: Annotated[float, Field(gt=0)]
    reference: Literal["eager", "float64"]


class ModelFacts(Strict):
    """What was built, read back from the object itself."""

    architecture: str
    parameters: Count
    dtype: str
    attention: str | None
    revision: str | None
    inputs: dict[str, tuple[int, ...]]


class Measurement(Envelope):
    """One case, measured: raw samples of both variants and the evidence around them."""

    kind: Literal["measurement"] = "measurement"
    case: Case
    facts: ModelFacts
    clock: ClockName
    blocks: Annotated[tuple[Block, ...], Field(min_length=2)]
    eager: WarmUp
    compiled: WarmUp
    compile_evidence: CompileEvidence
    agreement: Agreement
    eager_peak_memory_bytes: Count | None
    compiled_peak_memory_bytes: Count | None
    overhead_s: Seconds
    stage_s: dict[Stage, Seconds]
    start_up_s: Seconds

    @model_validator(mode="after")
    def _both_variants(self) -> Self:
        if {block.variant for block in self.blocks} != {"eager", "compiled"}:
            raise ValueError("blocks of both variants are needed")
        return self

    @property
    def case_id(self) -> str:
        return self.case.case_id


class Failure(Envelope):
    """A case that could not be measured, and why. Without `case_id` it concerns the host."""

    kind: Literal["failure"] = "failure"
    case_id: str | None
    stage: Stage | None
    reason: Reason
    message: ShortText
    traceback: Annotated[str, Field(max_length=MAX_TRACEBACK_CHARACTERS)] = ""


class Heartbeat(Envelope):
    """Sent while nothing else is, so that silence means a lost host."""

    kind: Literal["heartbeat"] = "heartbeat"
    case_id: str | None
    stage: Stage | None


class Finished(Envelope):
    """The last record; without it the stream was cut."""

    kind: Literal["finished"] = "finished"
    plan_id: str
    measured: Count
    failed: Count


Record: TypeAlias = Annotated[
    Started | CaseStarted | Measurement | Failure | Heartbeat | Finished,
    Field(discriminator="kind"),
]

_RECORD: Final[TypeAdapter[Record]] = TypeAdapter(Record)


class NewerSchemaError(ValueError):
    """The text was made by a newer version of this project."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"made by a newer version (record format {version}, this checkout reads up to "
            f"{SCHEMA_VERSION}): update this checkout"
        )
        self.version = version


def read_plan(text: str | bytes) -> Plan:
    """Read a plan from JSON.

    Raises: NewerSchemaError; ValueError (pydantic's ValidationError) that lists every error with
    its path.
    """
    try:
        plan = Plan.model_validate_json(text)
    except ValueError:
        _refuse_newer(text)
        raise
    _require_known(plan.schema_version)
    return plan


def read_record(line: str | bytes) -> Record:
    """Read one line of a stream.

    Raises: NewerSchemaError; ValueError for anything that is no record.
    """
    try:
        record = _RECORD.validate_json(line)
    except ValueError:
        # Only now, on the rare path: a newer record may differ in any other field, too.
        _refuse_newer(line)
        raise
    if isinstance(record, Started):
        _require_known(record.schema_version)
    return record


def write_line(record: Record | Plan) -> str:
    """One JSON line with its line break; never contains another one."""
    return record.model_dump_json() + "\n"


def json_schema() -> dict[str, object]:
    """The JSON Schema of plans and records, as checked in beside this file."""
    both: TypeAdapter[object] = TypeAdapter(Annotated[Plan | Record, Field(discriminator="kind")])
    return {"title": f"torch.compile benchmark records, version {SCHEMA_VERSION}"} | (
        both.json_schema(mode="serialization")
    )


def _refuse_newer(text: str | bytes) -> None:
    try:
        peeked = json.loads(text)
    except (ValueError, RecursionError):
        return
    version = peeked.get("schema_version") if isinstance(peeked, dict) else None
    if isinstance(version, int):
        _require_known(version)


def _require_known(version: int) -> None:
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(version)

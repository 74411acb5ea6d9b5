"""The records: what a harness says while it measures, one JSON line each.

With the plan and the parts of a measurement this is the contract between the harness and the desk;
everything that crosses the process boundary is defined in the three and nowhere else. Raw samples
are stored, and whatever can be derived from them is recomputed on the desk. A failure is a record,
never a missing row and never NaN. Units are part of a field's name.

None of them imports torch or anything of the desk, so both halves load them quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import Field, TypeAdapter, model_validator

from harness.contract import upgrade
from harness.contract.environment import Build, Device, Environment
from harness.contract.parts import (
    Agreement,
    Block,
    BlockTelemetry,
    CompileEvidence,
    Disturbance,
    Energy,
    EnergyUse,
    ModelFacts,
    WarmUp,
)
from harness.contract.plan import Case, CaseAttempt, Plan
from harness.contract.vocabulary import (
    MAX_TRACEBACK_CHARACTERS,
    SCHEMA_VERSION,
    ClockName,
    Count,
    OptionalText,
    PositiveSeconds,
    ProcessNumber,
    Reason,
    Seconds,
    ShortText,
    Stage,
    Strict,
    refuse_newer,
    require_known,
)

__all__ = [
    "Agreement",
    "Block",
    "BlockTelemetry",
    "Build",
    "CaseStarted",
    "CompileEvidence",
    "Device",
    "Disturbance",
    "Energy",
    "EnergyUse",
    "Environment",
    "Failure",
    "Finished",
    "Heartbeat",
    "Measurement",
    "ModelFacts",
    "Record",
    "Started",
    "WarmUp",
    "json_schema",
    "read_record",
    "with_ids_of_today",
    "write_line",
]


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


class Measurement(Envelope):
    """One case, measured: raw samples of both variants and the evidence around them.

    `process` counts the fresh processes that measured this case, from 1; `build` names the PyTorch
    that did, where the plan has several.
    `eager_busy_s` and `compiled_busy_s` are device-busy seconds per call, one value per round: the
    union of all kernels and copies, or, where a note says so, the time that calls took which had
    queued up behind a sleeping kernel. None on a CPU or where a note says why.
    `warm_first_call_s` is the first compiled call of a second process with filled caches.
    `telemetry_note` says why there is no telemetry or no energy. `flags` are those read back from
    torch while measuring. `compile_evidence` is None for an A/A case alone.
    """

    kind: Literal["measurement"] = "measurement"
    case: Case
    process: Annotated[ProcessNumber, Field(exclude_if=lambda number: number == 1)] = 1
    build: OptionalText = ""
    facts: ModelFacts
    clock: ClockName
    blocks: Annotated[tuple[Block, ...], Field(min_length=2)]
    eager: WarmUp
    compiled: WarmUp
    compile_evidence: CompileEvidence | None
    agreement: Agreement
    eager_peak_memory_bytes: Count | None
    compiled_peak_memory_bytes: Count | None
    overhead_s: Seconds
    stage_s: dict[Stage, Seconds]
    start_up_s: Seconds
    eager_busy_s: tuple[Seconds, ...] | None = None
    compiled_busy_s: tuple[Seconds, ...] | None = None
    warm_first_call_s: PositiveSeconds | None = None
    energy: Energy | None = None
    eager_process_memory_bytes: Count | None = None
    compiled_process_memory_bytes: Count | None = None
    flags: dict[str, str] = Field(default_factory=dict)
    telemetry_note: ShortText = ""
    stopped_early: bool = False
    notes: tuple[ShortText, ...] = ()

    @model_validator(mode="after")
    def _evidence_of_what_is_compiled(self) -> Self:
        if (self.compile_evidence is None) != (self.case.is_a_a):
            raise ValueError("compile_evidence is absent from A/A cases, and from those alone")
        return self

    @model_validator(mode="after")
    def _blocks_in_pairs(self) -> Self:
        eager, compiled = (
            [len(block.samples_s) for block in self.blocks if block.variant == variant]
            for variant in ("eager", "compiled")
        )
        if not eager or eager != compiled:
            raise ValueError("blocks of both variants are needed, in pairs of the same length")
        return self

    @model_validator(mode="after")
    def _proven(self) -> Self:
        """A harness that found otherwise would have sent a Failure."""
        evidence, agreement = self.compile_evidence, self.agreement
        if evidence is not None and not (evidence.graphs and evidence.frames_compiled):
            raise ValueError("no compiled code ran: no graph was captured")
        if evidence is not None and evidence.backend != self.case.how.backend:
            raise ValueError(f"{evidence.backend[:60]!r} is not the backend of its recipe")
        if evidence is not None and evidence.recompiles_while_timing:
            raise ValueError("graphs were compiled while timing")
        if agreement.reference == "eager" and agreement.relative_error > agreement.tolerance:
            raise ValueError("compiled output does not agree with eager output")
        return self

    @property
    def case_id(self) -> str:
        """The id of the attempt."""
        return CaseAttempt(case=self.case, process=self.process, build=self.build).case_id


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


def read_record(line: str | bytes) -> Record:
    """Read one line of a stream, of an older version, too.

    Raises: NewerSchemaError; ValueError for anything that is no record.
    """
    try:
        record = _RECORD.validate_json(line)
    except ValueError:
        # Only now, on the rare path: a newer record may differ in any other field, too.
        refuse_newer(line)
        if (upgraded := upgrade.record(line)) is None:
            raise
        record = _RECORD.validate_json(upgraded)
    if isinstance(record, Started):
        require_known(record.schema_version)
    return record


def with_ids_of_today(record: Record, former_ids: Mapping[str, str]) -> Record:
    """A record of a stream in which cases had other ids; with none, the record as it is.

    Args: former_ids: today's id by the former one.
    """
    if not former_ids or isinstance(record, Measurement | Finished):
        return record
    if isinstance(record, Started):
        case_ids = tuple(former_ids.get(case_id, case_id) for case_id in record.case_ids)
        return record.model_copy(update={"case_ids": case_ids})
    case_id = former_ids.get(record.case_id or "", record.case_id)
    return record.model_copy(update={"case_id": case_id})


def write_line(record: Record | Plan) -> str:
    """One JSON line with its line break; never contains another one."""
    return record.model_dump_json() + "\n"


def json_schema() -> dict[str, object]:
    """The JSON Schema of plans and records, as checked in beside this file."""
    both: TypeAdapter[object] = TypeAdapter(Annotated[Plan | Record, Field(discriminator="kind")])
    return {"title": f"torch.compile benchmark records, version {SCHEMA_VERSION}"} | (
        both.json_schema(mode="serialization")
    )

"""The words of the contract: its version, its closed sets, and the strictness of all of it."""

from __future__ import annotations

import operator
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import from_json

from harness.contract import recipes

# History of the format. A reader upgrades older records step by step and refuses newer ones.
#   1  first version
#   2  A/A cases (mode "eager", Plan.noise_floor), enqueue and device-busy times, telemetry and
#      retakes, energy, process memory, warm start, early stop, flags, FLOPs, more evidence. All of
#      it is optional, so what version 1 wrote reads as version 2 that lacks it. So are counts of
#      recorded and launched CUDA graphs, and how processes were started, which came last.
#   3  a recipe in the place of mode and backend; which process of a case was measured, by which
#      build and on which inputs, what disturbed a block, environment variables: all optional.
SCHEMA_VERSION: Final = 3

Precision: TypeAlias = Literal["float32", "ieee", "tf32", "float16", "bfloat16"]
Weights: TypeAlias = Literal["pretrained", "random"]
Size: TypeAlias = Literal["full", "tiny"]
Variant: TypeAlias = Literal["eager", "compiled"]
Stage: TypeAlias = Literal["build", "verify", "compile", "warmup", "measure"]
Task: TypeAlias = Literal["image-classification", "image-segmentation", "object-detection"]
ClockName: TypeAlias = Literal["cpu", "cuda"]
# How the process of a case begins: forked from one that has loaded the libraries, or from nothing.
ProcessStart: TypeAlias = Literal["fork", "spawn"]
CaseProcesses: TypeAlias = Literal["auto", "fork", "spawn"]

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
    "host_unavailable",  # said by the desk: the machine could not be used, or was lost
    "error",  # any other exception; the traceback tells
]

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

# Reasons that a second attempt on the same machine would only repeat.
LASTING_REASONS: Final[frozenset[Reason]] = frozenset({"oom", "unsupported", "timeout"})

# Nothing that is measured here is larger, and sums and products of what is not stay finite.
Amount: TypeAlias = Annotated[float, Field(ge=0, le=1e18)]
Seconds: TypeAlias = Amount
# No clock resolves less than the one end, and no run lasts longer than the other.
PositiveSeconds: TypeAlias = Annotated[float, Field(ge=1e-9, le=1e9)]
MAX_COUNT: Final = 2**63 - 1
Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_COUNT)]
MAX_MODEL_CHARACTERS: Final = 512
ModelName: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_MODEL_CHARACTERS)]
RecipeName: TypeAlias = Annotated[
    str, Field(max_length=512), AfterValidator(lambda name: recipes.named(name).name)
]
BatchSize: TypeAlias = Annotated[int, Field(ge=1, le=10**12)]
ShortText: TypeAlias = Annotated[str, Field(max_length=4096)]


def is_absent(value: object) -> bool:
    """Whether an optional field is left out of what is written, as in records from before it."""
    return value is None


# Left out of what is written where it is empty.
OptionalText: TypeAlias = Annotated[str, Field(max_length=512, exclude_if=operator.not_)]
# Processes of a case count from 1, and the first goes without saying.
ProcessNumber: TypeAlias = Annotated[int, Field(ge=1, le=1000)]

MAX_TRACEBACK_CHARACTERS: Final = 4096
MAX_LISTED_REASONS: Final = 20


class Strict(BaseModel):
    """Base of everything that crosses the boundary: immutable, exact types, no NaN, no extras."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class NewerSchemaError(ValueError):
    """The text was made by a newer version of this project."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"made by a newer version (record format {version}, this checkout reads up to "
            f"{SCHEMA_VERSION}): update this checkout"
        )
        self.version = version


def refuse_newer(text: str | bytes) -> None:
    """Raise NewerSchemaError if the text says that it is newer, whatever else it holds."""
    try:
        peeked = from_json(text)
    except ValueError:
        return
    version = peeked.get("schema_version") if isinstance(peeked, dict) else None
    if isinstance(version, int):
        require_known(version)


def require_known(version: int) -> None:
    """Raise NewerSchemaError for a version beyond this one."""
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(version)

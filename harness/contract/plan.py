"""The plan: what a harness is to measure, and how. It goes from the desk to the harness as JSON."""

from __future__ import annotations

import hashlib
import json
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from harness.contract import recipes
from harness.contract.recipes import Recipe
from harness.contract.vocabulary import (
    SCHEMA_VERSION,
    Backend,
    BatchSize,
    CaseProcesses,
    CompileMode,
    Count,
    Mode,
    ModelName,
    PositiveSeconds,
    Precision,
    Seconds,
    ShortText,
    Size,
    Strict,
    Weights,
    refuse_newer,
    require_known,
)

# Every case takes half a minute at least: a plan of more is a mistake, or an attack.
MAX_CASES: Final = 100_000


def number_of_cases(*axes: Sequence[object]) -> int:
    """How many cases a plan has, A/A cases aside: every choice of one axis with every other."""
    return math.prod(map(len, axes))


class Case(Strict):
    """One measurement to take: eager against one compiled variant of one model.

    `model` is a short name of the catalogue, a Hub id or a local directory. With mode "eager" the
    second variant is the eager model itself: an A/A case, which nothing compiles.
    """

    model: ModelName
    mode: Mode
    precision: Precision
    batch_size: BatchSize

    @property
    def case_id(self) -> str:
        """The join key across hosts and runs, such as `vit-base/default/float32/b16`."""
        return f"{self.model}/{self.mode}/{self.precision}/b{self.batch_size}"


class Protocol(Strict):
    """How a case is measured. The defaults are the ones of the published page, made stricter.

    `until` ends a case before all iterations, once the 95 % interval of its speed-up is narrower
    than this share of it. A block disturbed by throttling is taken again at most `retakes` times.
    `warm_cache` adds the first call of a second process that finds the caches filled. For its
    energy each variant runs alone for `energy_s`, on a GPU; 0 leaves that out. `case_processes`
    asks for forked processes even where the CUDA driver is loaded, or for none that are forked;
    it is written only where it is set, so that plans from before it keep their ids.
    """

    iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    max_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 30
    warmup_min_calls: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    warmup_min_s: Seconds = 2.0
    warmup_max_calls: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    warmup_max_s: Seconds = 60.0
    until: Annotated[float, Field(gt=0, lt=1)] | None = None
    retakes: Count = 3
    warm_cache: bool = False
    energy_s: Seconds = 10.0
    case_limit_s: PositiveSeconds = 3600.0
    heartbeat_s: PositiveSeconds = 5.0
    case_processes: Annotated[CaseProcesses, Field(exclude_if=lambda chosen: chosen == "auto")] = (
        "auto"
    )


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

    `noise_floor` holds A/A cases (mode "eager"): the lightest first, run before all others, and
    the heaviest, run after them. They belong to the run, not to the comparison.

    `plan_id` is a hash of the content, filled in when absent and verified when given; a plan of an
    older version, whose content was hashed with fewer fields, keeps the one it has. `skip` names
    cases that need no measuring again; it is not part of the hash, so a resumed run keeps its id.
    `pickled_weights` permits checkpoints that are no safetensors; it is written only where it is
    set, so that plans from before it keep their ids.
    """

    kind: Literal["plan"] = "plan"
    schema_version: int = SCHEMA_VERSION
    plan_id: str = ""
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    modes: Annotated[tuple[CompileMode, ...], Field(min_length=1)] = ("default",)
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("float32",)
    batch_sizes: Annotated[tuple[BatchSize, ...], Field(min_length=1)] = (1, 4, 16)
    noise_floor: tuple[Case, ...] = ()
    protocol: Protocol = Protocol()
    weights: Weights = "pretrained"
    picture: Picture
    backend: Backend = "inductor"
    size: Size = "full"
    seed: int = 0
    skip: tuple[str, ...] = ()
    pickled_weights: Annotated[bool, Field(exclude_if=operator.not_)] = False

    @model_validator(mode="after")
    def _of_bounded_size(self) -> Self:
        cases = number_of_cases(self.models, self.modes, self.precisions, self.batch_sizes)
        if cases > MAX_CASES or len(self.noise_floor) > MAX_CASES:
            raise ValueError(f"{cases:,} cases; at most {MAX_CASES:,} are possible")
        return self

    @model_validator(mode="after")
    def _identify(self) -> Self:
        expected = self._content_hash()
        if self.plan_id == "":
            object.__setattr__(self, "plan_id", expected)
        elif self.schema_version == SCHEMA_VERSION and self.plan_id != expected:
            raise ValueError(f"plan_id {self.plan_id!r} does not match the content ({expected})")
        return self

    @model_validator(mode="after")
    def _noise_floor_is_eager(self) -> Self:
        if any(case.mode != "eager" for case in self.noise_floor):
            raise ValueError('the cases of noise_floor have the mode "eager"')
        return self

    def _content_hash(self) -> str:
        content = self.model_dump(mode="json", exclude={"plan_id", "skip"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def recipe(self, case: Case) -> Recipe:
        """How the second variant of a case is made faster."""
        return recipes.of(case.mode, self.backend)

    def all_cases(self) -> Iterator[Case]:
        """Every case of the comparison, the batch sizes of one model next to each other."""
        for model in self.models:
            for precision in self.precisions:
                for mode in self.modes:
                    for batch_size in self.batch_sizes:
                        yield Case(
                            model=model, mode=mode, precision=precision, batch_size=batch_size
                        )

    def cases(self) -> tuple[Case, ...]:
        """The cases still to measure, in the order in which they run, A/A cases among them."""
        skipped = set(self.skip)
        every = (*self.noise_floor[:1], *self.all_cases(), *self.noise_floor[1:])
        return tuple(case for case in every if case.case_id not in skipped)


def read_plan(text: str | bytes) -> Plan:
    """Read a plan from JSON.

    Raises: NewerSchemaError; ValueError (pydantic's ValidationError) that lists every error with
    its path.
    """
    try:
        plan = Plan.model_validate_json(text)
    except ValueError:
        refuse_newer(text)
        raise
    require_known(plan.schema_version)
    return plan

"""The plan: what a harness is to measure, and how. It goes from the desk to the harness as JSON."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from harness.contract import recipes, upgrade
from harness.contract.recipes import Recipe
from harness.contract.vocabulary import (
    SCHEMA_VERSION,
    BatchSize,
    CaseProcesses,
    Count,
    ModelName,
    OptionalText,
    PositiveSeconds,
    Precision,
    ProcessNumber,
    RecipeName,
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
    """What is compared: eager against one way to make one model faster.

    `model` is a short name of the catalogue, a Hub id or a local directory. With the recipe "eager"
    the second variant is the eager model itself: an A/A case, which nothing compiles. `inputs`
    names what the model sees where that is not the plan's one picture.
    """

    model: ModelName
    recipe: RecipeName
    precision: Precision
    batch_size: BatchSize
    inputs: OptionalText = ""

    @property
    def case_id(self) -> str:
        """The join key across hosts and runs, such as `vit-base/default/float32/b16`."""
        usual = f"{self.model}/{self.recipe}/{self.precision}/b{self.batch_size}"
        return f"{usual}/inputs={self.inputs}" if self.inputs else usual

    @property
    def how(self) -> Recipe:
        """What makes the second variant faster."""
        return recipes.named(self.recipe)

    @property
    def mode(self) -> str:
        """What --modes and the page call the recipe."""
        return self.how.mode

    @property
    def is_a_a(self) -> bool:
        """Whether both variants are the eager model."""
        return self.how is recipes.EAGER


class CaseAttempt(Strict):
    """One measurement to take: a case, in its first process or a later one, by a build.

    `build` names the PyTorch that measures, where a plan has several.
    """

    case: Case
    process: ProcessNumber = 1
    build: OptionalText = ""

    @property
    def case_id(self) -> str:
        """What its records are told apart by: the id of the case, where nothing is repeated."""
        repeated = f"/process={self.process}" if self.process > 1 else ""
        return f"{self.case.case_id}{repeated}{f'/build={self.build}' if self.build else ''}"


class Repetition(Strict):
    """A case of the plan that several fresh processes measure."""

    case_id: str
    processes: ProcessNumber


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
    """What one host is to measure: models x recipes x precisions x batch sizes.

    `noise_floor` holds A/A cases (recipe "eager"): the lightest first, run before all others, and
    the heaviest, run after them. They belong to the run, not to the comparison. `repetitions` names
    the cases that more than one fresh process measures.

    `plan_id` is a hash of the content, filled in when absent and verified when given. A plan of an
    older version, whose content was hashed in another form, keeps the one it has: `upgraded_from`
    says which version that was; version 1 hashed fewer fields, and is believed. `skip` names
    attempts that need no measuring again; it is not part of the hash, so a resumed run keeps its
    id. `pickled_weights` permits checkpoints that are no safetensors. Fields that came after the
    first plans are written only where they are set, so that plans from before them keep their ids.
    """

    kind: Literal["plan"] = "plan"
    schema_version: int = SCHEMA_VERSION
    plan_id: str = ""
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    recipes: Annotated[tuple[RecipeName, ...], Field(min_length=1)] = ("default",)
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("float32",)
    batch_sizes: Annotated[tuple[BatchSize, ...], Field(min_length=1)] = (1, 4, 16)
    noise_floor: tuple[Case, ...] = ()
    protocol: Protocol = Protocol()
    weights: Weights = "pretrained"
    picture: Picture
    size: Size = "full"
    seed: int = 0
    skip: tuple[str, ...] = ()
    pickled_weights: Annotated[bool, Field(exclude_if=operator.not_)] = False
    repetitions: Annotated[tuple[Repetition, ...], Field(exclude_if=operator.not_)] = ()
    upgraded_from: Annotated[Literal[0, 1, 2], Field(exclude_if=operator.not_)] = 0

    @model_validator(mode="after")
    def _of_bounded_size(self) -> Self:
        cases = number_of_cases(self.models, self.recipes, self.precisions, self.batch_sizes)
        attempts = cases + sum(each.processes for each in self.repetitions)
        if attempts > MAX_CASES or len(self.noise_floor) > MAX_CASES:
            raise ValueError(f"{attempts:,} cases; at most {MAX_CASES:,} are possible")
        return self

    @model_validator(mode="after")
    def _of_todays_form(self) -> Self:
        if self.schema_version < SCHEMA_VERSION:
            raise ValueError(f"a plan of schema_version {self.schema_version} has no such form")
        return self

    @model_validator(mode="after")
    def _names_nothing_twice(self) -> Self:
        for name in ("models", "recipes", "precisions", "batch_sizes", "noise_floor"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} name something twice")
        return self

    @model_validator(mode="after")
    def _repeats_its_own_cases(self) -> Self:
        named = {each.case_id for each in self.repetitions}
        if len(named) < len(self.repetitions):
            raise ValueError("repetitions name a case twice")
        if named and named - {case.case_id for case in self.all_cases()}:
            raise ValueError("repetitions name what is no case of the plan")
        return self

    @model_validator(mode="after")
    def _only_the_noise_floor_is_eager(self) -> Self:
        if not all(case.is_a_a for case in self.noise_floor):
            raise ValueError('the cases of noise_floor have the recipe "eager"')
        if recipes.EAGER.name in self.recipes:
            raise ValueError('the recipe "eager" is for the cases of noise_floor alone')
        return self

    @model_validator(mode="after")
    def _rehearses_all_or_nothing(self) -> Self:
        if len({recipes.named(name).is_rehearsal for name in self.recipes}) > 1:
            raise ValueError("some recipes are rehearsals and others are not")
        return self

    @model_validator(mode="after")
    def _identify(self) -> Self:
        content = self.model_dump(mode="json", exclude={"plan_id", "skip", "upgraded_from"})
        if self.upgraded_from == 2:
            content = upgrade.as_version_2(content)
        expected = upgrade.content_hash(content)
        if self.plan_id == "":
            object.__setattr__(self, "plan_id", expected)
        elif self.upgraded_from != 1 and self.plan_id != expected:
            raise ValueError(f"plan_id {self.plan_id!r} does not match the content ({expected})")
        return self

    @property
    def backend(self) -> str:
        """What compiles; several where recipes differ in it."""
        backends = (recipes.named(name).backend for name in self.recipes)
        return recipes.SEPARATOR.join(dict.fromkeys(backends))

    @property
    def generates_code(self) -> bool:
        """Whether one of its recipes does, for which a CPU needs a C++ compiler."""
        return any(recipes.named(name).generates_code for name in self.recipes)

    def all_cases(self) -> Iterator[Case]:
        """Every case of the comparison, the batch sizes of one model next to each other."""
        for model in self.models:
            for precision in self.precisions:
                for recipe in self.recipes:
                    for batch_size in self.batch_sizes:
                        yield Case(
                            model=model, recipe=recipe, precision=precision, batch_size=batch_size
                        )

    def every_attempt(self) -> Iterator[CaseAttempt]:
        """All that the plan ever asks for, in the order in which it runs: A/A cases around the
        others, and what is repeated only after every case had its first process."""
        yield from (CaseAttempt(case=case) for case in self.noise_floor[:1])
        processes = {each.case_id: each.processes for each in self.repetitions}
        for process in range(1, 1 + max(processes.values(), default=1)):
            for case in self.all_cases():
                if process == 1 or process <= processes.get(case.case_id, 1):
                    yield CaseAttempt(case=case, process=process)
        yield from (CaseAttempt(case=case) for case in self.noise_floor[1:])

    def attempts(self) -> tuple[CaseAttempt, ...]:
        """What is still to measure, in order."""
        skipped = set(self.skip)
        return tuple(each for each in self.every_attempt() if each.case_id not in skipped)

    @cached_property
    def former_ids(self) -> Mapping[str, str]:
        """The ids that cases had in records of the version that made the plan, where they differ
        from those of today."""
        if not self.upgraded_from:
            return {}
        return {
            case.model_copy(update={"recipe": case.mode}).case_id: case.case_id
            for case in (*self.noise_floor, *self.all_cases())
            if case.recipe != case.mode
        }


def read_plan(text: str | bytes) -> Plan:
    """Read a plan from JSON, of an older version, too.

    Raises: NewerSchemaError; ValueError (pydantic's ValidationError) that lists every error with
    its path.
    """
    try:
        plan = Plan.model_validate_json(text)
    except ValueError:
        refuse_newer(text)
        if (upgraded := upgrade.plan(text)) is None:
            raise
        plan = Plan.model_validate_json(upgraded)
    require_known(plan.schema_version)
    return plan

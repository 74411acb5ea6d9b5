"""Choices from the command line -> a Plan (pure, but for reading a picture file)."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.contract import catalogue, recipes
from harness.contract.plan import MAX_CASES, Case, Picture, Plan, Protocol, number_of_cases
from harness.contract.recipes import EAGER, MODES
from harness.contract.vocabulary import (
    LASTING_REASONS,
    PRECISIONS,
    CaseProcesses,
    Precision,
    Size,
    Weights,
)
from orchestrator import model_names
from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.records.outcomes import HostOutcome

COCO_URL: Final = "http://images.cocodataset.org/val2017/000000039769.jpg"
MAX_PICTURE_BYTES: Final = 10 << 20
MAX_ITERATIONS: Final = 1_000_000
# For a model outside the catalogue: that of a ViT-base.
UNKNOWN_FLOPS: Final = 35_000_000_000

QUICK_ITERATIONS: Final = 30
USUAL_BLOCKS: Final = Protocol().max_blocks
# How files of the formats begin that the harness decodes; a RIFF may be something else than WebP.
_PICTURES: Final = (b"BM", b"GIF8", b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"RIFF")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user chose, lists as comma-separated text; None where nothing was chosen."""

    models: str | None = None
    modes: str = "default"
    batch_sizes: str | None = None
    precisions: str = "float32"
    iterations: int | None = None
    until: str | None = None
    warm_cache: bool = False
    weights: Weights | None = None
    allow_pickle: bool = False
    image: str | None = None
    backend: str = recipes.INDUCTOR
    size: Size = "full"
    quick: bool = False
    case_processes: CaseProcesses = "auto"


def make(choices: Choices) -> Plan:
    """Build the plan; what was not chosen gets its default, with `quick` its quick one.

    Raises: UnknownNameError, UsageError.
    """
    quick = choices.quick
    weights = choices.weights or ("random" if quick else "pretrained")
    if choices.size == "tiny" and weights != "random":
        raise UsageError("--size tiny has no pretrained weights", "Add --weights random.")
    default_models = (
        catalogue.QUICK_MODELS if quick else tuple(model.name for model in catalogue.CATALOGUE)
    )
    models = _models(_split(choices.models, default_models), weights)
    precisions = _precisions(_split(choices.precisions))
    batch_sizes = _batch_sizes(_split(choices.batch_sizes, ("1",) if quick else ("1", "4", "16")))
    chosen = _recipes(_split(choices.modes), rehearsed=choices.backend == recipes.AOT_EAGER)
    _require_bounded(number_of_cases(models, chosen, precisions, batch_sizes))
    return Plan(
        models=models,
        recipes=chosen,
        precisions=precisions,
        batch_sizes=batch_sizes,
        noise_floor=noise_floor(models, precisions[0], batch_sizes, one=quick),
        protocol=protocol(
            choices.iterations,
            quick=quick,
            until=choices.until,
            warm_cache=choices.warm_cache,
            case_processes=choices.case_processes,
        ),
        weights=weights,
        picture=_picture(COCO_URL if choices.image is None else choices.image, weights),
        size=choices.size,
        pickled_weights=choices.allow_pickle,
    )


def _require_bounded(cases: int) -> None:
    """Before anything is made of them. Raises: UsageError."""
    if cases > MAX_CASES:
        raise UsageError(f"this makes {cases:,} cases; at most {MAX_CASES:,} are possible in a run")


def noise_floor(
    models: Sequence[str], precision: Precision, batch_sizes: Sequence[int], *, one: bool
) -> tuple[Case, ...]:
    """The A/A cases of a run: its lightest case by FLOPs and, unless `one` suffices, its heaviest.

    The two ends bound how the noise of a machine depends on how busy a case keeps it.
    """
    every = [
        Case(model=model, recipe=EAGER.name, precision=precision, batch_size=batch_size)
        for model in models
        for batch_size in batch_sizes
    ]
    light, heavy = min(every, key=_flops), max(every, key=_flops)
    return (light,) if one or light == heavy else (light, heavy)


def _flops(case: Case) -> int:
    known = catalogue.find(case.model)
    return case.batch_size * (UNKNOWN_FLOPS if known is None else known.flops_per_image)


def for_resume(plan: Plan, outcome: HostOutcome) -> Plan:
    """The same plan, less what a host has measured and what would only fail again."""
    lasting = {
        case_id
        for case_id, failure in outcome.failures.items()
        if failure.reason in LASTING_REASONS
    }
    return plan.model_copy(update={"skip": tuple(sorted(lasting | outcome.measurements.keys()))})


def share_out(plan: Plan, parts: int, cost: Callable[[Case], float]) -> tuple[Plan, ...]:
    """Split the cases left over identical GPUs: the longest first, each to whoever has least.

    Every part keeps the plan's id and order. Graham (1969), "Bounds on multiprocessing timing
    anomalies".
    """
    loads = [0.0] * parts
    taken: list[set[str]] = [set() for _ in range(parts)]
    for attempt in sorted(plan.attempts(), key=lambda one: cost(one.case), reverse=True):
        least = loads.index(min(loads))
        loads[least] += cost(attempt.case)
        taken[least].add(attempt.case_id)
    left_out = {attempt.case_id for attempt in plan.every_attempt()}
    return tuple(plan.model_copy(update={"skip": tuple(sorted(left_out - part))}) for part in taken)


def _split(text: str | None, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    if text is None:
        return default
    return tuple(part.strip() for part in text.split(",") if part.strip())


def protocol(
    iterations: int | None,
    *,
    quick: bool,
    until: str | None = None,
    warm_cache: bool = False,
    case_processes: CaseProcesses = "auto",
) -> Protocol:
    """How cases are measured, for that many inferences per variant. Raises: UsageError.

    With `until`, blocks are half as long: noise that lasts about a block then falls on both
    variants alike, and twice as many rounds tell sooner how much there is of it
    (`benchmarks/simulation.py`).
    """
    if iterations is not None and not 1 <= iterations <= MAX_ITERATIONS:
        raise UsageError(
            f"--iterations {iterations} is not possible",
            f"Give 1 to {MAX_ITERATIONS:,}; 300 is usual.",
        )
    width = None if until is None else _share(until)
    max_blocks = USUAL_BLOCKS if until is None else 2 * USUAL_BLOCKS
    if not quick:
        return Protocol(
            iterations=iterations or 300,
            max_blocks=max_blocks,
            until=width,
            warm_cache=warm_cache,
            case_processes=case_processes,
        )
    # Enough for a CPU, whose calls take tenths of a second, to settle.
    return Protocol(
        iterations=iterations or QUICK_ITERATIONS,
        max_blocks=max_blocks,
        until=width,
        warm_cache=warm_cache,
        case_processes=case_processes,
        warmup_min_calls=4,
        warmup_min_s=1.0,
        warmup_max_s=10.0,
        energy_s=0,
    )


def _share(text: str) -> float:
    """A percentage such as 1% or 0.5%, as a share."""
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = math.nan
    if not (text.strip().endswith("%") and 0 < share < 1):
        raise UsageError(
            f'--until "{text}" is not possible', "Give a percentage below 100, as in 1% or 0.5%."
        )
    return share


def _models(names: Sequence[str], weights: Weights) -> tuple[str, ...]:
    return _distinct("model", [model_names.resolve(name, weights) for name in names])


def _recipes(names: Sequence[str], *, rehearsed: bool) -> tuple[str, ...]:
    for name in names:
        if name == EAGER.mode:
            raise UsageError(
                'the mode "eager" cannot be chosen: every mode is compared with eager already',
                f"Choose from: {', '.join(MODES)}.",
            )
        if name not in MODES:
            raise UnknownNameError("mode", name, MODES)
    modes = _distinct("mode", names)
    return tuple(recipes.of(mode, rehearsed=rehearsed).name for mode in MODES if mode in modes)


def _precisions(names: Sequence[str]) -> tuple[Precision, ...]:
    for name in names:
        if name not in PRECISIONS:
            raise UnknownNameError("precision", name, PRECISIONS)
    return tuple(name for name in PRECISIONS if name in _distinct("precision", names))


def _batch_sizes(texts: Sequence[str]) -> tuple[int, ...]:
    for text in texts:
        if not (text.isascii() and text.isdigit() and int(text[:9]) >= 1 and len(text) <= 6):
            raise UsageError(
                f'batch size "{text}" is not possible', "Give whole numbers from 1, as in 1,4,16."
            )
    return tuple(map(int, _distinct("batch size", [str(int(text)) for text in texts])))


def _distinct(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise UsageError(f"no {kind} is named", "Leave the option out for its default.")
    for name, times in Counter(names).items():
        if times > 1:
            raise UsageError(f'{kind} "{name}" is given twice', "Name each once.")
    return tuple(names)


def _picture(image: str, weights: Weights) -> Picture:
    if image.startswith(("http://", "https://")):
        # With random weights any picture serves, so none needs to be had.
        return Picture(url=image, fallback=weights == "random")
    name = Path(image).name.encode(errors="replace").decode()
    return Picture(url=name, content_base64=_content(Path(image)))


def _content(path: Path) -> str:
    """A local file travels inside the plan, so that every host sees the same picture."""
    try:
        if not path.is_file() and path.exists():  # a device or a pipe may never end
            raise UsageError(f"the picture {path} is no file", "--image takes a file or a URL.")
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise UsageError(
                f"the picture {path} is larger than {MAX_PICTURE_BYTES >> 20} MB",
                "Scale it down: models see a few hundred pixels.",
            )
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the picture {path}: {error.strerror}",
            "--image takes a file or an http(s) URL.",
        ) from error
    if not content.startswith(_PICTURES):
        raise UsageError(
            f"the picture {path} is none in a common format",
            "--image takes BMP, GIF, JPEG, PNG, TIFF and WebP.",
        )
    return base64.b64encode(content).decode()

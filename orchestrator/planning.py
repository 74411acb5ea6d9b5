"""Choices from the command line -> a Plan (pure, but for reading a picture file)."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import catalogue
from harness.plan import Case, Picture, Plan, Protocol
from harness.vocabulary import (
    LASTING_REASONS,
    MODES,
    PRECISIONS,
    Backend,
    Mode,
    Precision,
    Size,
    Weights,
)
from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.outcomes import HostOutcome

COCO_URL: Final = "http://images.cocodataset.org/val2017/000000039769.jpg"
MAX_PICTURE_BYTES: Final = 10 << 20
MAX_CASES: Final = 100_000
MAX_ITERATIONS: Final = 1_000_000


QUICK_ITERATIONS: Final = 30


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user chose, lists as comma-separated text; None where nothing was chosen."""

    models: str | None = None
    modes: str = "default"
    batch_sizes: str | None = None
    precisions: str = "float32"
    iterations: int | None = None
    weights: Weights | None = None
    image: str | None = None
    backend: Backend = "inductor"
    size: Size = "full"
    quick: bool = False


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
    plan = Plan(
        models=_models(_split(choices.models, default_models), weights),
        modes=_modes(_split(choices.modes)),
        precisions=_precisions(_split(choices.precisions)),
        batch_sizes=_batch_sizes(
            _split(choices.batch_sizes, ("1",) if quick else ("1", "4", "16"))
        ),
        protocol=_protocol(choices.iterations, quick=quick),
        weights=weights,
        picture=_picture(choices.image or COCO_URL, weights),
        backend=choices.backend,
        size=choices.size,
    )
    cases = math.prod(map(len, (plan.models, plan.modes, plan.precisions, plan.batch_sizes)))
    if cases > MAX_CASES:
        raise UsageError(f"this makes {cases:,} cases; at most {MAX_CASES:,} are possible in a run")
    return plan


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
    for case in sorted(plan.cases(), key=cost, reverse=True):
        least = loads.index(min(loads))
        loads[least] += cost(case)
        taken[least].add(case.case_id)
    left_out = {case.case_id for case in plan.all_cases()}
    return tuple(plan.model_copy(update={"skip": tuple(sorted(left_out - part))}) for part in taken)


def _split(text: str | None, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    if text is None:
        return default
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _protocol(iterations: int | None, *, quick: bool) -> Protocol:
    if iterations is not None and not 1 <= iterations <= MAX_ITERATIONS:
        raise UsageError(
            f"--iterations {iterations} is not possible",
            f"Give 1 to {MAX_ITERATIONS:,}; 300 is usual.",
        )
    if not quick:
        return Protocol(iterations=iterations or 300)
    # Enough for a CPU, whose calls take tenths of a second, to settle.
    return Protocol(
        iterations=iterations or QUICK_ITERATIONS,
        warmup_min_calls=4,
        warmup_min_s=1.0,
        warmup_max_s=10.0,
    )


def _models(names: Sequence[str], weights: Weights) -> tuple[str, ...]:
    return _distinct("model", [_model(name, weights) for name in names])


def _model(name: str, weights: Weights) -> str:
    known = catalogue.find(name)
    if known is not None:
        return known.name
    if weights == "random" and ("/" in name or Path(name).is_dir()):
        raise UsageError(
            f'"{name}" is not one of the twelve models, and random weights exist for those only',
            "Measure it with its own weights:  --weights pretrained",
        )
    if Path(name).is_dir():
        return str(Path(name).resolve())
    if "/" in name and not name.startswith((".", "/", "~")):
        return name
    raise UnknownNameError(
        "model",
        name,
        [model.name for model in catalogue.CATALOGUE],
        "Any other Hub id (owner/name) or a local folder works, too, with --weights pretrained.",
    )


def _modes(names: Sequence[str]) -> tuple[Mode, ...]:
    for name in names:
        if name not in MODES:
            raise UnknownNameError("mode", name, MODES)
    return tuple(mode for mode in MODES if mode in _distinct("mode", names))


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
    return tuple(int(text) for text in _distinct("batch size", texts))


def _distinct(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise UsageError(f"no {kind} is named", "Leave the option out for its default.")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'{kind} "{name}" is given twice', "Name each once.")
    return tuple(names)


def _picture(image: str, weights: Weights) -> Picture:
    if image.startswith(("http://", "https://")):
        # With random weights any picture serves, so none needs to be had.
        return Picture(url=image, fallback=weights == "random")
    return Picture(url=Path(image).name, content_base64=_content(Path(image)))


def _content(path: Path) -> str:
    """A local file travels inside the plan, so that every host sees the same picture."""
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise UsageError(
                f"the picture {path} is larger than {MAX_PICTURE_BYTES >> 20} MB",
                "Scale it down: models see a few hundred pixels.",
            )
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise UsageError(
            f"cannot read the picture {path}: {error.strerror}",
            "--image takes a file or an http(s) URL.",
        ) from error

"""Compiled output must agree with eager output, and outputs must be able to disagree.

Errors are relative: root mean square of the difference over root mean square of the reference.
The rule follows PyTorch's own benchmarks/dynamo: compiled is right when it is close to eager, or
else when it is no further from a float64 run than eager itself is, up to a factor. Where eager is
far from float64 as well, that run settles nothing: a case would pass whatever it computes. What a
caller makes of the numbers is held to the same rule: the class of every image, and masks, which a
threshold makes of continuous values, by their intersection over union.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from harness.contract.records import Agreement
from harness.contract.vocabulary import Precision

TOLERANCE: Final[dict[Precision, float]] = {
    "float32": 1e-3,
    "ieee": 1e-3,
    "tf32": 1e-3,
    "float16": 1e-2,
    "bfloat16": 2e-2,
}
# How much further from float64 than eager the compiled output may be (benchmarks/dynamo).
FACTOR_FLOAT32: Final = 2.0
FACTOR_HALF: Final = 3.0
# A float64 run that eager misses by more, in error or in masks, is no reference for anything.
MAX_EAGER_ERROR: Final = 0.1
# Outputs flatter than this cannot tell two programs apart.
MIN_RELATIVE_SPREAD: Final = 1e-6
MIN_MAGNITUDE: Final = 1e-12
# How little of the union of masks may lie outside of their intersection (torch._dynamo.utils.same).
MASK_LOSS: Final = 0.01

Outputs = dict[str, torch.Tensor]


class DegenerateOutputError(Exception):
    """The eager output is constant, vanishing or not finite: agreement would prove nothing."""


class DisagreementError(Exception):
    """Compiled output differs from eager output by more than the tolerance."""


def flatten(output: object) -> Outputs:
    """The floating-point tensors of a model's output by name, cloned and on the CPU as float64.

    Cloning matters: with CUDA graphs the next call overwrites them (pytorch#170604).
    """
    return {
        name: tensor.detach().to("cpu", torch.float64, copy=True)
        for name, tensor in _leaves("", output)
        if tensor.is_floating_point()
    }


def refuse_degenerate(outputs: Outputs) -> None:
    """Raise DegenerateOutputError unless every output is finite and varies."""
    if not outputs:
        raise DegenerateOutputError("the model returned no floating-point tensor")
    for name, tensor in outputs.items():
        if not torch.isfinite(tensor).all():
            raise DegenerateOutputError(f"eager output {name} is not finite")
        magnitude = _rms(tensor)
        flat = tensor.numel() > 1 and float(tensor.std()) <= MIN_RELATIVE_SPREAD * magnitude
        if magnitude < MIN_MAGNITUDE or flat:
            raise DegenerateOutputError(f"eager output {name} is constant or vanishing")


def agree(
    eager: Outputs,
    repeated: Outputs,
    compiled: Outputs,
    precision: Precision,
    reference: Callable[[], Outputs | None],
) -> Agreement:
    """Hold compiled output against eager output.

    Args:
        eager, repeated: two eager runs on the same input; their difference is eager's own noise.
        reference: makes a float64 run, called only when eager alone does not settle it; None
            where the model cannot run in float64.
    Raises: DisagreementError with the worst tensor and its error.
    """
    tolerance = TOLERANCE[precision]
    worst, error = _worst(eager, compiled)
    loss = _mask_loss(eager, compiled)
    agreement = Agreement(
        tensors=len(eager),
        worst_tensor=worst,
        relative_error=error,
        eager_repeat_error=_worst(eager, repeated)[1],
        tolerance=tolerance,
        reference="eager",
        top1_agrees=_top1_agrees(eager, compiled),
        mask_iou=None if loss is None else 1 - loss,
    )
    strict = Allowed(tolerance, MASK_LOSS)
    objection = _objection(eager, compiled, strict)
    if not objection:
        return agreement
    exact = reference()
    if exact is not None and _is_a_reference(exact, eager):
        allowed = _allowed(eager, exact, precision)
        if not _objection(exact, compiled, allowed):
            return agreement.model_copy(
                update={"reference": "float64", "tolerance": allowed.relative_error}
            )
    noise = agreement.eager_repeat_error
    raise DisagreementError(f"{objection}; two eager runs differ by {noise:.1e}")


def worse(one: Agreement, other: Agreement) -> Agreement:
    """The agreement of two that leaves less to its tolerance, with the worse classes and masks."""
    worst = max(one, other, key=lambda each: each.relative_error / each.tolerance)
    classes = [each.top1_agrees for each in (one, other) if each.top1_agrees is not None]
    masks = [each.mask_iou for each in (one, other) if each.mask_iou is not None]
    return worst.model_copy(
        update={
            "top1_agrees": all(classes) if classes else None,
            "mask_iou": min(masks, default=None),
        }
    )


@dataclass(frozen=True, slots=True)
class Allowed:
    """How far compiled output may be from a reference."""

    relative_error: float
    mask_loss: float


def _objection(reference: Outputs, compiled: Outputs, allowed: Allowed) -> str:
    """What speaks against compiled output; empty if nothing does."""
    worst, error = _worst(reference, compiled)
    if error > allowed.relative_error:
        return (
            f"compiled output {worst} differs from eager by {error:.2e} of its magnitude "
            f"(tolerance {allowed.relative_error:.0e})"
        )
    if changed := _changed_classes(reference, compiled, allowed.relative_error):
        return f"compiled output gives another class to {changed} of the images"
    loss = _mask_loss(reference, compiled)
    if loss is not None and loss > allowed.mask_loss:
        return (
            f"compiled masks overlap those of eager by {1 - loss:.1%} of their union "
            f"(at least {1 - allowed.mask_loss:.1%} is needed)"
        )
    return ""


def float64_outputs(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> Outputs | None:
    """Run a copy of the module in float64; None where it cannot, for memory or a fixed dtype."""
    try:
        exact = copy.deepcopy(module).double()
        return flatten(exact(**{name: _doubled(tensor) for name, tensor in inputs.items()}))
    except (RuntimeError, TypeError, MemoryError):
        return None


def _classes(outputs: Outputs) -> torch.Tensor | None:
    """Logits of shape (images, classes); None for what is no classifier.

    A detector's and a segmenter's have more dimensions.
    """
    logits = outputs.get("logits")
    return logits if logits is not None and logits.dim() == 2 else None


def _top1_agrees(eager: Outputs, compiled: Outputs) -> bool | None:
    """Whether every image gets the same class; None for what is no classifier."""
    logits = _classes(eager)
    if logits is None:
        return None
    return bool((logits.argmax(dim=1) == compiled["logits"].argmax(dim=1)).all())


def _changed_classes(reference: Outputs, compiled: Outputs, tolerance: float) -> int:
    """How many images get another class that the reference does not hold for nearly as likely.

    A tie is no change: two logits that lie closer than both may err can swap in any program.
    """
    logits = _classes(reference)
    if logits is None:
        return 0
    chosen = compiled["logits"].argmax(dim=1, keepdim=True)
    behind = logits.amax(dim=1, keepdim=True) - logits.gather(1, chosen)
    return int((behind > 2 * tolerance * _rms(logits)).sum())


def _mask_loss(reference: Outputs, compiled: Outputs) -> float | None:
    """One less the intersection over union of all masks of an image, of the worst image; None
    where outputs are no masks."""
    before, after = _masks(reference), _masks(compiled)
    if before is None or after is None:
        return None
    joint = (before & after).flatten(1).sum(dim=1)
    either = (before | after).flatten(1).sum(dim=1)
    return float((1 - joint / either.clamp(min=1))[either > 0].max()) if either.any() else 0.0


def _masks(outputs: Outputs) -> torch.Tensor | None:
    """Booleans of shape (images, masks, height, width): one mask per query or per class."""
    queries, logits = outputs.get("masks_queries_logits"), outputs.get("logits")
    if queries is not None and queries.dim() == 4:
        return queries > 0  # as models do: sigmoid above one half
    if logits is not None and logits.dim() == 4:
        classes = torch.arange(logits.shape[1]).view(1, -1, 1, 1)
        return logits.argmax(dim=1, keepdim=True) == classes
    return None


def _is_a_reference(exact: Outputs, eager: Outputs) -> bool:
    """Whether eager is near enough to a float64 run for that to judge compiled output."""
    near = _worst(exact, eager)[1] <= MAX_EAGER_ERROR
    return near and (_mask_loss(exact, eager) or 0.0) <= MAX_EAGER_ERROR


def _allowed(eager: Outputs, exact: Outputs, precision: Precision) -> Allowed:
    """As far from float64 as eager itself is, times a factor, and a little."""
    factor = FACTOR_HALF if precision in ("float16", "bfloat16") else FACTOR_FLOAT32
    return Allowed(
        factor * _worst(exact, eager)[1] + TOLERANCE[precision] / 10,
        factor * (_mask_loss(exact, eager) or 0.0) + MASK_LOSS / 10,
    )


def _doubled(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _worst(reference: Outputs, other: Outputs) -> tuple[str, float]:
    """The tensor with the largest relative error; infinite where names or shapes differ."""
    if reference.keys() != other.keys():
        raise DisagreementError(
            f"outputs differ in kind: {sorted(reference)} eager, {sorted(other)} compiled"
        )
    errors = {name: _relative_error(reference[name], other[name]) for name in reference}
    name = max(errors, key=errors.__getitem__)
    return name, errors[name]


def _relative_error(reference: torch.Tensor, other: torch.Tensor) -> float:
    if reference.shape != other.shape:
        raise DisagreementError(
            f"shapes differ: {tuple(reference.shape)} eager, {tuple(other.shape)} compiled"
        )
    if not torch.isfinite(other).all():
        raise DisagreementError("compiled output is not finite, eager output is")
    error = _rms(other - reference) / max(_rms(reference), MIN_MAGNITUDE)
    # A reference that is not finite is infinitely far from everything; NaN would be near.
    return error if math.isfinite(error) else math.inf


def _rms(tensor: torch.Tensor) -> float:
    return float(tensor.square().mean().sqrt())


def _leaves(name: str, value: object) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name or "output", value
        return
    children: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        children = list(value.items())
    elif isinstance(value, tuple | list):
        children = list(enumerate(value))
    for key, child in children:
        yield from _leaves(f"{name}.{key}" if name else str(key), child)

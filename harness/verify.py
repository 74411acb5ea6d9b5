"""Compiled output must agree with eager output, and outputs must be able to disagree.

Errors are relative: root mean square of the difference over root mean square of the reference.
The rule follows PyTorch's own benchmarks/dynamo: compiled is right when it is close to eager, or
else when it is no further from a float64 run than eager itself is, up to a factor.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch

from harness.records import Agreement
from harness.vocabulary import Precision

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
# Outputs flatter than this cannot tell two programs apart.
MIN_RELATIVE_SPREAD: Final = 1e-6
MIN_MAGNITUDE: Final = 1e-12
MIN_MASK_SHARE: Final = 1e-3

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
    noise = _worst(eager, repeated)[1]
    agreement = Agreement(
        tensors=len(eager),
        worst_tensor=worst,
        relative_error=error,
        eager_repeat_error=noise,
        tolerance=tolerance,
        reference="eager",
        top1_agrees=_top1_agrees(eager, compiled),
        mask_iou=_mask_iou(eager, compiled),
    )
    if error <= tolerance:
        return agreement
    exact = reference()
    allowed = None if exact is None else _allowed(eager, exact, precision)
    if exact is not None and allowed is not None and _worst(exact, compiled)[1] <= allowed:
        return agreement.model_copy(update={"reference": "float64", "tolerance": allowed})
    raise DisagreementError(
        f"compiled output {worst} differs from eager by {error:.2e} of its magnitude "
        f"(tolerance {tolerance:.0e}; two eager runs differ by {noise:.1e})"
    )


def worse(one: Agreement, other: Agreement) -> Agreement:
    """The agreement of two that leaves less to its tolerance."""
    return max(one, other, key=lambda each: each.relative_error / each.tolerance)


def float64_outputs(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> Outputs | None:
    """Run a copy of the module in float64; None where it cannot, for memory or a fixed dtype."""
    try:
        exact = copy.deepcopy(module).double()
        return flatten(exact(**{name: _doubled(tensor) for name, tensor in inputs.items()}))
    except (RuntimeError, TypeError, MemoryError):
        return None


def _top1_agrees(eager: Outputs, compiled: Outputs) -> bool | None:
    """Whether every image gets the same class; None for what is no classifier.

    A classifier's logits have shape (images, classes); a detector's and a segmenter's have more
    dimensions.
    """
    logits = eager.get("logits")
    if logits is None or logits.dim() != 2:
        return None
    return bool((logits.argmax(dim=1) == compiled["logits"].argmax(dim=1)).all())


def _mask_iou(eager: Outputs, compiled: Outputs) -> float | None:
    """The lowest intersection over union of two masks; None where outputs are no masks.

    Masks smaller than `MIN_MASK_SHARE` of the picture in both are left out: in those one pixel
    makes all the difference.
    """
    before, after = _masks(eager), _masks(compiled)
    if before is None or after is None:
        return None
    joint = (before & after).flatten(2).sum(dim=2)
    either = (before | after).flatten(2).sum(dim=2)
    counts = either >= MIN_MASK_SHARE * before[0, 0].numel()
    return float((joint[counts] / either[counts]).min()) if counts.any() else None


def _masks(outputs: Outputs) -> torch.Tensor | None:
    """Booleans of shape (images, masks, height, width): one mask per query or per class."""
    queries, logits = outputs.get("masks_queries_logits"), outputs.get("logits")
    if queries is not None and queries.dim() == 4:
        return queries > 0  # as models do: sigmoid above one half
    if logits is not None and logits.dim() == 4:
        classes = torch.arange(logits.shape[1]).view(1, -1, 1, 1)
        return logits.argmax(dim=1, keepdim=True) == classes
    return None


def _allowed(eager: Outputs, exact: Outputs, precision: Precision) -> float:
    half = precision in ("float16", "bfloat16")
    factor = FACTOR_HALF if half else FACTOR_FLOAT32
    return factor * _worst(exact, eager)[1] + TOLERANCE[precision] / 10


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
    return _rms(other - reference) / _rms(reference)


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

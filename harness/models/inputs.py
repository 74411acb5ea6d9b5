"""One picture (and texts) -> the tensors that a model takes, at a batch size.

The picture is preprocessed once and repeated on the device, so that a batch that does not fit
raises the device's own out-of-memory error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import torch
from PIL import Image

Tensors: TypeAlias = dict[str, torch.Tensor]
Preprocess: TypeAlias = Callable[[Image.Image], Mapping[str, Any]]
Processor: TypeAlias = Callable[..., Mapping[str, Any]]

# The length to which CLIP's text models are padded here.
TEXT_LENGTH: Final = 16


def from_picture(processor: Processor) -> Preprocess:
    """Preprocess with an image processor of transformers."""
    return lambda picture: processor(images=picture, return_tensors="pt")


def from_picture_and_texts(processor: Processor, texts: Sequence[str]) -> Preprocess:
    """Preprocess with a processor of transformers that has a tokenizer, too."""
    return lambda picture: processor(images=picture, text=[list(texts)], return_tensors="pt")


def from_picture_and_token_ids(processor: Processor, ids: Sequence[Sequence[int]]) -> Preprocess:
    """Preprocess the picture, and add texts that were tokenized before."""
    return lambda picture: {**processor(images=picture, return_tensors="pt"), **padded(ids)}


def padded(token_ids: Sequence[Sequence[int]]) -> Tensors:
    """Token ids and attention mask, int64, shape (texts, TEXT_LENGTH), padded with zeros."""
    ids = torch.zeros(len(token_ids), TEXT_LENGTH, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def prepare(
    preprocess: Preprocess,
    picture: Image.Image,
    forward: Callable[..., Any],
    *,
    batch_size: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensors:
    """The keyword arguments of `forward` for the same picture `batch_size` times.

    Returns: tensors on `device`, floating-point ones in `dtype`; the first dimension is
    `batch_size`, or `batch_size` times the number of texts for tokens.
    Raises: torch's out-of-memory error.
    """
    taken = inspect.signature(forward).parameters
    return {
        name: _repeated(_cast(tensor.to(device), dtype), batch_size)
        for name, tensor in preprocess(picture.convert("RGB")).items()
        if name in taken and isinstance(tensor, torch.Tensor)
    }


def _cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _repeated(tensor: torch.Tensor, times: int) -> torch.Tensor:
    return tensor.repeat(times, *[1] * (tensor.dim() - 1))

"""FLOPs per image of a model, counted without computing anything.

The model is built again without storage (the meta device, then fake tensors, which carry shapes
only) and with eager attention: PyTorch's counter does not see the fused attention of a CPU.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from harness.models.inputs import Tensors

# What models raise that need the values of tensors, or more than a configuration to be built. A
# count is not worth a measurement that is already taken, hence so many.
_UNCOUNTABLE: Final = (
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    ImportError,
    OSError,
)


def per_image(module: nn.Module, inputs: Tensors, batch_size: int) -> int | None:
    """Count two per multiply-add for one image of a batch.

    Args:
        module: a model of transformers; only its class and configuration are used.
        inputs: of the whole batch; only names, shapes and dtypes are used.
    Returns: None where the model cannot run on shapes alone.
    """
    try:
        return _counted(module, inputs, batch_size)
    except _UNCOUNTABLE:
        return None


def _counted(module: nn.Module, inputs: Tensors, batch_size: int) -> int:
    kind: Any = type(module)
    config: Any = module.config
    with torch.device("meta"):
        # The only way of a model class to a configuration and a choice of attention.
        twin = kind._from_config(copy.deepcopy(config), attn_implementation="eager").eval()  # noqa: SLF001
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        twin.to_empty(device="cpu")
        one_image = {name: _like_one(tensor, batch_size) for name, tensor in inputs.items()}
        with FlopCounterMode(display=False) as counter:
            twin(**one_image)
    return int(counter.get_total_flops())


def _like_one(tensor: torch.Tensor, batch_size: int) -> torch.Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return torch.empty(tensor.shape[0] // batch_size, *tensor.shape[1:], dtype=dtype)

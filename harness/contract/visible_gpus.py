"""The variable by which schedulers and users choose the GPUs that a program may see."""

from __future__ import annotations

import re
from typing import Final

VARIABLE: Final = "CUDA_VISIBLE_DEVICES"
# CUDA reads entries up to the first negative number; SLURM writes the word for a job without a GPU.
_NOTHING: Final = re.compile(r"\s*(-[0-9].*|NoDevFiles\s*)?", re.DOTALL)


def hides_every_gpu(value: str | None) -> bool:
    """Whether a value of the variable leaves a program no GPU; None, where it is not set, does
    not."""
    return value is not None and _NOTHING.fullmatch(value) is not None

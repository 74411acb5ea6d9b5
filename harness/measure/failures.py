"""Any exception of a case -> one of the closed set of reasons, with a sentence for the page."""

from __future__ import annotations

import errno
import traceback
from typing import Any, Final

import torch

from harness.contract.records import Failure
from harness.contract.vocabulary import MAX_TRACEBACK_CHARACTERS, Reason, Stage
from harness.measure.verify import DegenerateOutputError, DisagreementError
from harness.models.load_errors import LoadError, UnsupportedModelError, chain
from harness.recipes.compiling import UnsupportedCaseError

MAX_MESSAGE_CHARACTERS: Final = 1000
# What is said by others than PyTorch's allocator for GPUs, which has an exception of its own: its
# allocator for CPUs, CUDA's runtime and driver, Triton, and libraries that allocate for themselves.
_OUT_OF_MEMORY: Final = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "cudaerrormemoryallocation",
    "_alloc_failed",
)
NO_WORKSPACE: Final = "no memory was left for the workspace of a convolution"
_NO_ENGINE: Final = "unable to find an engine to execute this computation"
# What libraries say where they get no memory, and also where something else is wrong with them; the
# first is cuDNN without memory for a workspace (pytorch#108645).
_PERHAPS_OUT_OF_MEMORY: Final = (
    _NO_ENGINE,
    "no valid execution plans",
    "no valid engine configs",
    "cublas_status_not_initialized",
    "cudnn_status_not_initialized",
    "cudnn_status_internal_error",
    "cusolver_status_not_initialized",
    "cusolver_status_internal_error",
)
# A GPU with less of its memory free has none for a library.
_MIN_FREE_SHARE: Final = 0.02
NO_COMPILER_ADVICE: Final = (
    "no working C++ compiler was found, and torch.compile needs one: "
    "install it (Debian, Ubuntu: apt install g++ python3-dev) or set CXX"
)


class FellBackError(Exception):
    """torch.compile returned a callable that runs no compiled code."""


class RecompiledError(Exception):
    """Compiled code changed while it was being timed."""


_REASON_OF: Final[tuple[tuple[type[BaseException], Reason], ...]] = (
    (torch.OutOfMemoryError, "oom"),
    (MemoryError, "oom"),
    (LoadError, "load_error"),
    (UnsupportedModelError, "unsupported"),
    (UnsupportedCaseError, "unsupported"),
    (DegenerateOutputError, "degenerate_output"),
    (DisagreementError, "disagreement"),
    (FellBackError, "fell_back_to_eager"),
    (RecompiledError, "recompiled"),
)


def failure(case_id: str, stage: Stage, error: BaseException) -> Failure:
    """The record of an exception, with the last 4 KB of its traceback."""
    trace = "".join(traceback.format_exception(error))
    return Failure(
        case_id=case_id,
        stage=stage,
        reason=reason_for(error, stage),
        message=message_for(error)[:MAX_MESSAGE_CHARACTERS],
        traceback=trace[-MAX_TRACEBACK_CHARACTERS:],
    )


def reason_for(error: BaseException, stage: Stage) -> Reason:
    """Classify an exception; the causes it was raised from count as well."""
    for link in chain(error):
        for kind, reason in _REASON_OF:
            if isinstance(link, kind):
                return reason
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT):
            return "out_of_disk"
        if _is_out_of_memory(str(link).lower()):
            return "oom"
    return "compile_error" if stage == "compile" else "error"


def _is_out_of_memory(said: str) -> bool:
    if any(text in said for text in _OUT_OF_MEMORY):
        return True
    return any(text in said for text in _PERHAPS_OUT_OF_MEMORY) and _memory_is_short()


def _memory_is_short() -> bool:
    """Whether the allocator has failed to get memory, or hardly any is left; true where no GPU can
    be asked, as short memory is by far the commonest cause of what such libraries say."""
    cuda: Any = torch.cuda  # not all of its functions are typed
    if not cuda.is_initialized():
        return True
    try:
        free_bytes, total_bytes = cuda.mem_get_info()
        failed = cuda.memory_stats().get("num_ooms", 0)
    except RuntimeError:  # the GPU itself is in trouble
        return False
    return bool(failed > 0 or free_bytes < _MIN_FREE_SHARE * total_bytes)


def message_for(error: BaseException) -> str:
    """The first line that says something, and advice where there is some."""
    if any(type(link).__name__ == "InvalidCxxCompiler" for link in chain(error)):
        return NO_COMPILER_ADVICE
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    return f"{said}: {NO_WORKSPACE}" if _NO_ENGINE in said and _memory_is_short() else said

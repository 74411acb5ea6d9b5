"""What an exception of a case is called in its record."""

from __future__ import annotations

import pytest
import torch

from harness import failures


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be reported later",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "Triton Error [CUDA]: out of memory",
        "[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: not enough memory: you tried",
    ],
)
def test_whoever_finds_no_memory_the_case_ran_out_of_it(said: str) -> None:
    assert failures.reason_for(torch.AcceleratorError(said), "compile") == "oom"
    wrapped = RuntimeError("backend='inductor' raised")
    wrapped.__cause__ = RuntimeError(said)
    assert failures.reason_for(wrapped, "compile") == "oom"


def test_what_does_not_fit_one_multiprocessor_is_no_lack_of_memory() -> None:
    said = "out of resource: shared memory, Required: 131072, Hardware limit: 101376"
    assert failures.reason_for(RuntimeError(said), "compile") == "compile_error"

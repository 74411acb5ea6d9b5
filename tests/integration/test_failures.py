"""What an exception of a case is called in its record."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from harness.contract.vocabulary import Stage
from harness.measure import failures

STAGES = get_args(Stage)


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


@pytest.mark.parametrize(
    "said",
    [
        "CUDA driver error: out of memory",
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "HIP out of memory. Tried to allocate 2.00 GiB.",
        "GET was unable to find an engine to execute this computation",
        "FIND was unable to find an engine to execute this computation",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    ],
)
@pytest.mark.parametrize("stage", STAGES)
def test_a_library_without_memory_is_no_other_failure_in_any_stage(said: str, stage: Stage) -> None:
    assert failures.reason_for(RuntimeError(said), stage) == "oom"


@pytest.mark.parametrize(
    ("free_gib", "failed", "reason"),
    [(39, 0, "error"), (39, 1, "oom"), (0.1, 0, "oom")],
)
def test_a_library_that_finds_no_engine_beside_plenty_of_memory_did_not_run_out_of_it(
    monkeypatch: pytest.MonkeyPatch, free_gib: float, failed: int, reason: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free_gib * 2**30, 40 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda: {"num_ooms": failed})
    said = "GET was unable to find an engine to execute this computation"
    assert failures.reason_for(RuntimeError(said), "verify") == reason


def test_what_does_not_fit_one_multiprocessor_is_no_lack_of_memory() -> None:
    said = "out of resource: shared memory, Required: 131072, Hardware limit: 101376"
    assert failures.reason_for(RuntimeError(said), "compile") == "compile_error"

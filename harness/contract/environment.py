"""Where a measurement was taken: the processor, and all software that takes part."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.contract.vocabulary import (
    ClockName,
    Count,
    ProcessStart,
    ShortText,
    Strict,
    is_absent,
)


class Device(Strict):
    """The processor that did the work. For a CPU only the first two fields are set."""

    type: ClockName
    name: ShortText
    uuid: str | None = None
    capability: str | None = None
    memory_bytes: Count | None = None
    multiprocessors: Count | None = None
    driver: str | None = None


class Build(Strict):
    """Which PyTorch measures, where a plan has several: as the user calls it, the image that holds
    it or the interpreter that loads it."""

    name: ShortText
    image: ShortText | None = None
    interpreter: ShortText | None = None


class Environment(Strict):
    """All that must be equal, or named, before two results may be compared.

    `process_start` says how the processes of cases began, `build` which PyTorch was chosen of
    several, `variables` those of the process's environment that change the answer; records from
    before them lack them.
    """

    device: Device
    torch: str
    torch_cuda: str | None
    torch_arch_list: tuple[str, ...]
    triton: str | None
    transformers: str
    numpy: str
    python: str
    platform: ShortText
    cpu: ShortText
    cpu_count: Count
    torch_threads: Count
    memory_bytes: Count | None
    cxx_compiler: str | None
    float32_matmul_precision: str
    cudnn_allow_tf32: bool | None
    cudnn_version: int | None
    in_container: bool
    process_start: Annotated[ProcessStart | None, Field(exclude_if=is_absent)] = None
    build: Annotated[Build | None, Field(exclude_if=is_absent)] = None
    variables: Annotated[dict[str, ShortText] | None, Field(exclude_if=is_absent)] = None

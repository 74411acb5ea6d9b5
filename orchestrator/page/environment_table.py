"""Hosts -> the table of what surrounds their numbers: versions, processor, flags (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.contract.records import Environment
from orchestrator import wording
from orchestrator.compare.comparison import HostSummary
from orchestrator.page import conditions
from orchestrator.wording import NOTHING


@dataclass(frozen=True, slots=True)
class EnvironmentLine:
    """One fact about all hosts; `differs` where they do not agree. `recorded` says of each whether
    it told the fact at all: no Triton is a fact, too. `is_noise`: every run measures it anew."""

    name: str
    values: tuple[str, ...]
    differs: bool
    recorded: tuple[bool, ...]
    is_noise: bool = False


def environment_lines(hosts: Sequence[HostSummary]) -> tuple[EnvironmentLine, ...]:
    """Facts about the hosts, those that differ first; a host that never started has none."""
    started = [host.environment is not None for host in hosts]
    lines = [
        _environment_line(
            name, [_value(host, read) for host in hosts], () if name in _LATER else started
        )
        for name, read in _ENVIRONMENT.items()
    ]
    lines.append(
        _environment_line("Harness revision", [h.harness_revision or NOTHING for h in hosts])
    )
    lines.append(_environment_line("Picture", [h.picture or NOTHING for h in hosts]))
    for name, read in _CONDITIONS.items():
        line = _environment_line(name, [read(host) or NOTHING for host in hosts])
        # Of a run's hosts nothing that their results must agree in.
        lines.append(replace(line, differs=False, is_noise=name in _NOISE))
    known = [line for line in lines if set(line.values) != {NOTHING}]
    return tuple(sorted(known, key=lambda line: not line.differs))


def _environment_line(
    name: str, values: Sequence[str], recorded: Sequence[bool] = ()
) -> EnvironmentLine:
    known = [value for value in values if value != NOTHING]
    told = tuple(recorded) or tuple(value != NOTHING for value in values)
    return EnvironmentLine(name, tuple(values), len(set(known)) > 1, told)


def _value(host: HostSummary, read: Callable[[Environment], object]) -> str:
    value = None if host.environment is None else read(host.environment)
    match value:
        case None | "" | ():
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)


def _memory(size_bytes: int | None) -> str | None:
    return None if size_bytes is None else wording.data_size(size_bytes)


_CONDITIONS: Final[dict[str, Callable[[HostSummary], str]]] = {
    "Noise floor": conditions.noise_floor,
    "A/A cases, 95 % intervals": conditions.noise_cases,
    "Float arithmetic, read back": conditions.arithmetic,
    "Why there is no telemetry": conditions.telemetry_notes,
}
_BEGUN: Final = {"fork": "forked", "spawn": "started anew"}
# Facts that older records lack, where nothing means that nobody noted it.
_LATER: Final = ("Case processes",)
_NOISE: Final = ("Noise floor", "A/A cases, 95 % intervals")
_ENVIRONMENT: Final[dict[str, Callable[[Environment], object]]] = {
    "GPU or CPU": lambda e: e.device.name,
    "PyTorch": lambda e: e.torch,
    "CUDA of PyTorch": lambda e: e.torch_cuda,
    "Triton": lambda e: e.triton,
    "Driver": lambda e: e.device.driver,
    "cuDNN": lambda e: e.cudnn_version,
    "Compute capability": lambda e: e.device.capability,
    "Multiprocessors": lambda e: e.device.multiprocessors,
    "GPU memory": lambda e: _memory(e.device.memory_bytes),
    "Transformers": lambda e: e.transformers,
    "NumPy": lambda e: e.numpy,
    "Python": lambda e: e.python,
    "Platform": lambda e: e.platform,
    "CPU": lambda e: e.cpu,
    "CPU cores": lambda e: e.cpu_count,
    "Memory": lambda e: _memory(e.memory_bytes),
    "PyTorch threads": lambda e: e.torch_threads,
    "C++ compiler": lambda e: e.cxx_compiler,
    "float32 matrix products": lambda e: e.float32_matmul_precision,
    "TF32 in cuDNN": lambda e: e.cudnn_allow_tf32,
    "In a container": lambda e: e.in_container,
    "Architectures in PyTorch": lambda e: e.torch_arch_list,
    "Case processes": lambda e: _BEGUN.get(e.process_start or ""),
}

"""How a harness is contained: everything that `docker create` is told (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "torch-compile-benchmark"
RUN: Final = f"{PREFIX}.run"
HOST: Final = f"{PREFIX}.host"
ATTEMPT: Final = f"{PREFIX}.attempt"
OWNER: Final = f"{PREFIX}.owner"
SCHEMA: Final = f"{PREFIX}.schema"
GPU: Final = f"{PREFIX}.gpu"
HUB_VOLUME: Final = f"{PREFIX}-hub"

_MEMORY_SHARE: Final = 0.9
_TMP_BYTES: Final = 4 << 30
_SHM_BYTES: Final = 1 << 30
_PIDS: Final = 4096
COPY: Final = f"/tmp/{PREFIX}.jsonl"  # noqa: S108  inside the container
"""Where a harness keeps its records as well."""
# How long an engine may be down at the very end of a run without a record being lost.
_LINGER_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Lane:
    """One GPU, or the CPU, of a host, and its part of the machine.

    `index` of `count` lanes; `gpu` is an index or a UUID.
    """

    gpu: str | None
    index: int = 0
    count: int = 1


def name_of(run_id: str, host: str, lane: Lane) -> str:
    """The same for every start of a run on a host, so that the engine refuses a second one."""
    suffix = f"-{lane.index}" if lane.count > 1 else ""
    return f"{PREFIX}-{run_id}-{host}{suffix}"


def cores(lane: Lane, cpus: int) -> str | None:
    """The cores of a lane, as docker writes them; None for all of them."""
    if lane.count == 1 or cpus < lane.count:
        return None
    first, end = lane.index * cpus // lane.count, (lane.index + 1) * cpus // lane.count
    return f"{first}-{end - 1}" if end - 1 > first else str(first)


def settings(
    *,
    image: str,
    name: str,
    labels: Mapping[str, str],
    lane: Lane,
    cpus: int,
    memory_bytes: int,
    pretrained: bool,
    limit_s: float,
) -> dict[str, object]:
    """The arguments of the Docker SDK's `containers.create`.

    Nothing is writable but /tmp, and with pretrained weights the Hub's cache; nothing is reachable
    but, with pretrained weights, the network. The container's log is the durable copy of the
    records, so it must never be rotated, whatever the engine's own default.
    """
    memory = memory_limit(memory_bytes, lane)
    tmp_bytes = min(_TMP_BYTES, memory // 4)
    return {
        "image": image,
        "name": name,
        "command": command(gpu=lane.gpu is not None, limit_s=limit_s),
        "labels": dict(labels),
        "stdin_open": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "ipc_mode": "private",
        "pids_limit": _PIDS,
        "mem_limit": memory,
        "shm_size": _SHM_BYTES,
        "tmpfs": {"/tmp": f"size={tmp_bytes},mode=1777,exec"},  # noqa: S108  inside the container
        "log_config": {"type": "json-file", "config": {"max-size": "1000g", "max-file": "1"}},
        "cpuset_cpus": cores(lane, cpus),
        "device_requests": _devices(lane.gpu),
        **(_hub() if pretrained else _alone()),
    }


def memory_limit(memory_bytes: int, lane: Lane) -> int:
    """The memory of one lane: a runaway harness must end before the machine does."""
    return int(memory_bytes * _MEMORY_SHARE / lane.count)


def command(*, gpu: bool, limit_s: float) -> list[str]:
    """The arguments of `python -m harness`."""
    words = ["--plan", "-", "--two-lines", "--limit-s", f"{limit_s:.0f}"]
    words += ["--linger-s", f"{_LINGER_S:.0f}", "--copy", COPY]
    return [*words, "--require-gpu"] if gpu else words


def _devices(gpu: str | None) -> list[dict[str, object]]:
    if gpu is None:
        return []
    return [{"driver": "", "device_ids": [gpu], "capabilities": [["gpu"]]}]


def _alone() -> dict[str, object]:
    """Random weights need no network, and have nothing to keep."""
    return {
        "network_mode": "none",
        "environment": {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": "/tmp/huggingface",  # noqa: S108
            "XDG_CACHE_HOME": "/tmp/cache",  # noqa: S108
        },
    }


def _hub() -> dict[str, object]:
    return {"volumes": {HUB_VOLUME: {"bind": "/cache", "mode": "rw"}}}

from __future__ import annotations

import pytest

from orchestrator.hosts import container
from orchestrator.hosts.container import Lane

GIB = 1 << 30


def settings(lane: Lane, *, pretrained: bool = False) -> dict[str, object]:
    return container.settings(
        image="sha256:1",
        name=container.name_of("run-1", "a100", lane),
        labels={container.RUN: "run-1"},
        lane=lane,
        cpus=10,
        memory_bytes=100 * GIB,
        pretrained=pretrained,
        limit_s=3600,
    )


def test_a_harness_is_contained() -> None:
    made = settings(Lane("0"))
    assert made["read_only"]
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges"]
    assert made["network_mode"] == "none"
    assert made["mem_limit"] == 90 * GIB
    assert "exec" in str(made["tmpfs"])
    assert "volumes" not in made


def test_pretrained_weights_bring_network_and_cache_and_no_token() -> None:
    made = settings(Lane("0"), pretrained=True)
    assert "network_mode" not in made
    assert made["volumes"] == {container.HUB_VOLUME: {"bind": "/cache", "mode": "rw"}}
    assert "environment" not in made


def test_a_gpu_is_asked_for_and_required() -> None:
    made = settings(Lane("GPU-1a"))
    assert made["device_requests"] == [
        {"driver": "", "device_ids": ["GPU-1a"], "capabilities": [["gpu"]]}
    ]
    assert "--require-gpu" in made["command"]  # type: ignore[operator]


def test_without_a_gpu_none_is_asked_for() -> None:
    made = settings(Lane(None))
    assert made["device_requests"] == []
    assert "--require-gpu" not in made["command"]  # type: ignore[operator]


def test_gpus_of_one_host_share_its_cores_and_memory() -> None:
    lanes = [Lane(str(index), index, 3) for index in range(3)]
    assert [settings(lane)["cpuset_cpus"] for lane in lanes] == ["0-2", "3-5", "6-9"]
    assert {settings(lane)["mem_limit"] for lane in lanes} == {30 * GIB}
    assert len({settings(lane)["name"] for lane in lanes}) == 3


@pytest.mark.parametrize(
    ("count", "cpus", "cores"), [(1, 8, None), (4, 2, None), (2, 2, "0"), (2, 3, "0")]
)
def test_cores_are_split_only_where_there_are_enough(
    count: int, cpus: int, cores: str | None
) -> None:
    assert container.cores(Lane("0", 0, count), cpus) == cores


def test_a_name_is_the_same_for_every_start_of_a_run_on_a_host() -> None:
    assert container.name_of("r", "a100", Lane("0")) == "torch-compile-benchmark-r-a100"

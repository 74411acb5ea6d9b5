from __future__ import annotations

import pytest

from orchestrator.compare import published

VIT = "google/vit-base-patch16-224"


def test_all_published_rows_are_there() -> None:
    rows = published.rows()
    assert len(rows) == 136
    assert {row.gpu for row in rows} == {"A100", "V100", "T4"}
    assert sum(row.status == "oom" for row in rows) == 4
    assert all((row.eager_s is None) == (row.status == "oom") for row in rows)


@pytest.mark.parametrize(
    ("device", "gpu"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-16GB", "V100"),
    ],
)
def test_a_gpu_is_recognised_by_its_drivers_name(device: str, gpu: str) -> None:
    row = published.find(device, VIT, "default", 1)
    assert row is not None
    assert row.gpu == gpu


@pytest.mark.parametrize("device", ["NVIDIA H100", "NVIDIA T400", "Quadro T4000", "AMD EPYC", ""])
def test_other_gpus_have_no_published_figure(device: str) -> None:
    assert published.find(device, VIT, "default", 1) is None


def test_the_stable_release_is_preferred_where_both_were_published() -> None:
    row = published.find("Tesla T4", "facebook/detr-resnet-50", "default", 1)
    assert row is not None
    assert row.torch == "2.0.1"


def test_a_mode_that_was_published_for_the_nightly_only_is_found_there() -> None:
    row = published.find("NVIDIA A100", "facebook/convnext-large-224", "reduce-overhead", 1)
    assert row is not None
    assert (row.torch, row.eager_s, row.compiled_s) == ("2.1.0.dev", 0.011758, 0.007335)


def test_the_suspicious_row_carries_its_note() -> None:
    (noted,) = (row for row in published.rows() if row.note)
    assert (noted.gpu, noted.label, noted.batch_size) == ("T4", "BeiT", 16)

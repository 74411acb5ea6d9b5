"""The table that Hugging Face published in 2023, as data.

136 rows of the page *perf_torch_compile*: mean of 300 inferences after a warm-up, eager and
compiled, on an A100, a V100 and a T4. Means without spread: they can be shown beside a result, and
no verdict can be given against them.
"""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from orchestrator.compare import rehearsal

SOURCE: Final = "Hugging Face Transformers documentation, perf_torch_compile, 2023"
_FILE: Final = Path(__file__).with_name("published.csv")
_GPU: Final = re.compile(r"(?<![A-Z0-9])(A100|V100|T4)(?![A-Z0-9])", re.IGNORECASE)
# The stable release has all rows of mode default; reduce-overhead was published for 2.1.0.dev only.
_PREFERRED: Final = ("2.0.1", "2.1.0.dev")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of the published page. Seconds are None where the page says out of memory."""

    gpu: str
    torch: str
    mode: str
    task: str
    hub_id: str
    label: str
    batch_size: int
    status: Literal["ok", "oom"]
    eager_s: float | None
    compiled_s: float | None
    note: str


@functools.cache
def rows() -> tuple[PublishedRow, ...]:
    """All 136 published rows, in the order of the page."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return tuple(_row(fields) for fields in csv.DictReader(file))


def find(device_name: str, hub_id: str, mode: str, batch_size: int) -> PublishedRow | None:
    """The published row for this GPU, model, mode and batch size, if there is one; a fake GPU has
    none.

    Args:
        device_name: as the driver spells it, such as "NVIDIA A100-SXM4-40GB" or "Tesla T4".
    """
    match = _GPU.search(device_name)
    if match is None or rehearsal.is_fake(device_name):
        return None
    return _index().get((match[1].upper(), hub_id, mode, batch_size))


@functools.cache
def _index() -> dict[tuple[str, str, str, int], PublishedRow]:
    found: dict[tuple[str, str, str, int], PublishedRow] = {}
    for row in sorted(rows(), key=lambda row: _PREFERRED.index(row.torch)):
        found.setdefault((row.gpu, row.hub_id, row.mode, row.batch_size), row)
    return found


def _row(fields: dict[str, str]) -> PublishedRow:
    return PublishedRow(
        gpu=fields["gpu"],
        torch=fields["torch"],
        mode=fields["mode"],
        task=fields["task"],
        hub_id=fields["model"],
        label=fields["label"],
        batch_size=int(fields["batch_size"]),
        status="ok" if fields["status"] == "ok" else "oom",
        eager_s=_seconds(fields["eager_ms"]),
        compiled_s=_seconds(fields["compiled_ms"]),
        note=fields["note"],
    )


def _seconds(milliseconds: str) -> float | None:
    return float(milliseconds) / 1000 if milliseconds else None

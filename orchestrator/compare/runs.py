"""Runs on disk, read as comparisons of eager with compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orchestrator.compare import judging
from orchestrator.compare.comparison import Comparison, RunInfo
from orchestrator.compare.published_table import PUBLISHED_RUN, build_published
from orchestrator.errors import UsageError
from orchestrator.records.rundir import RunFolder

OUTPUT: Final = Path("reports")
NO_BASELINE: Final = "none"


def read(folder: RunFolder) -> Comparison:
    """What the records of a run say. Raises: RunError."""
    meta, plan = folder.meta(), folder.plan()
    name = folder.path.name
    info = RunInfo(meta.run_id, meta.created, meta.command, plan, meta.prices_per_hour, name)
    return judging.build(info, plan, folder.each_outcome(plan))


def find(output: Path, name: str) -> tuple[Comparison, RunFolder | None]:
    """A run and its folder, or the published table, which has none. Raises: UsageError."""
    if name == PUBLISHED_RUN:
        return build_published(), None
    folder = RunFolder.find(output, name)
    return read(folder), folder


def place_for(folder: RunFolder, output: Path | None) -> Path:
    """Where to write what is made of a run: in its own folder, or in a folder of its name below
    one that was asked for. Raises: UsageError: another run is there.
    """
    if output is None or folder.path.parent == output.resolve():
        return folder.path
    place = output / folder.path.name
    if (place / "run.json").exists():
        raise UsageError(
            f"{place} is another run of that name",
            "Choose another folder with --output, or name that run.",
        )
    return place


def baseline(output: Path, name: str, of: RunFolder | None = None) -> Comparison | None:
    """The baseline of a run: another run, `published` or `none`. Raises: UsageError."""
    if name == NO_BASELINE:
        return None
    if name == PUBLISHED_RUN:
        return build_published()
    folder = RunFolder.find(output, name)
    if of is not None and of.path == folder.path:
        raise UsageError(f"{name} would be its own baseline", "Name another run:  --baseline RUN")
    return read(folder)

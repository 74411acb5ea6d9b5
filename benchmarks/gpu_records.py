"""What the run folders of `gpu_check` hold (pure, but for reading them)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.contract.records import Failure, Measurement
from orchestrator.compare import facts
from orchestrator.records.outcomes import HostOutcome
from orchestrator.records.rundir import RunFolder
from orchestrator.statistics import statistics


def outcome(folder: Path) -> HostOutcome | None:
    """What became of every case of a run; None where there is no such run."""
    if not (folder / "run.json").exists():
        return None
    (found,) = RunFolder(folder).outcomes()
    return found


def done(folder: RunFolder) -> set[str]:
    """Cases with a result, a failure included."""
    found = outcome(folder.path)
    if found is None:
        return set()
    return {*found.measurements, *(case for case in found.failures if case is not None)}


def measurements(folder: Path) -> Mapping[str, Measurement]:
    """What was measured, by case id; nothing where there is no such folder."""
    found = outcome(folder)
    return {} if found is None else found.measurements


def failures(folder: Path) -> list[Failure]:
    found = outcome(folder)
    return [] if found is None else [*found.host_failures, *found.failures.values()]


def speed_up(measurement: Measurement) -> float:
    """Ratio of the means of all timed calls."""
    eager, compiled = (facts.samples(measurement.blocks, each) for each in ("eager", "compiled"))
    return statistics.speed_up(eager, compiled).value


def is_launch_bound(measurement: Measurement) -> bool:
    """Whether the eager model waits for the host; unknown on a CPU, and then False."""
    if measurement.case.is_a_a:
        return False
    return facts.facts_of(measurement, None).eager.bound == "launch-bound"

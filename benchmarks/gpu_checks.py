"""The claims that `gpu_check` holds against what it found (pure, but for reading the folders)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import case_start, gpu_records
from benchmarks.gpu_settings import ESSENTIAL, OVERHEAD, RUNS, STARTS
from benchmarks.ledger import Ledger
from harness.contract.records import Measurement
from orchestrator.records.rundir import RunFolder
from orchestrator.statistics import statistics

INSTRUMENT_TOLERANCE: Final = {
    "wall / bare loop": 0.01,
    "wall / torch.utils.benchmark": 0.01,
    "device time / event loop": 0.01,
    "device-busy / profiler's kernels": 0.03,
}
# Failures that say something about the device and nothing about the harness.
RESULTS: Final = frozenset({"unsupported", "oom"})
NOISE_FLOOR: Final = statistics.PRACTICAL_THRESHOLD


@dataclass(frozen=True, slots=True)
class Check:
    """One claim and what was found; `holds` is None where nothing tells, or nothing yet."""

    name: str
    found: str
    holds: bool | None


def checks(output: Path) -> list[Check]:
    """All claims, in the order in which a reader doubts them."""
    found = list(
        chain.from_iterable(gpu_records.measurements(output / run).values() for run in RUNS)
    )
    graphs = [each for each in found if each.case.mode == "reduce-overhead"]
    on_gpu = [each for each in found if each.clock == "cuda"]
    return [
        _tests(output),
        *_instruments(output),
        _forked(output),
        _every("host enqueue is shorter than wall", on_gpu, _enqueue_is_shorter),
        _every("device time is shorter than wall", on_gpu, _device_is_shorter),
        _telemetry(on_gpu),
        _every("device-busy was measured", on_gpu, _has_busy),
        _every(
            f"A/A: eager against itself within {NOISE_FLOOR:.0%}",
            [each for each in found if each.case.is_a_a],
            lambda each: abs(gpu_records.speed_up(each) - 1) <= NOISE_FLOOR,
        ),
        _every("reduce-overhead launches recorded CUDA graphs", graphs, _launches_graphs),
        *(_measured(output, run) for run in RUNS),
        _every("flags were read back", found, lambda each: bool(each.flags)),
    ]


def _ledger(output: Path, name: str) -> Ledger:
    return Ledger(output / f"{name}.jsonl")


def _tests(output: Path) -> Check:
    claim, ledger = "essential tests pass", _ledger(output, ESSENTIAL)
    outcomes = [result["outcome"] for result in ledger.results().values()]
    if error := (ledger.complete() or {}).get("error"):
        return Check(claim, error, None if "missing" in (ledger.complete() or {}) else False)
    counts = ", ".join(f"{outcomes.count(each)} {each}" for each in ("passed", "failed", "skipped"))
    failed, passed = "failed" in outcomes, "passed" in outcomes
    return Check(claim, counts, False if failed else passed or None)


def _instruments(output: Path) -> Iterator[Check]:
    ledger = _ledger(output, OVERHEAD)
    found, error = ledger.results(), (ledger.complete() or {}).get("error")
    for name, tolerance in INSTRUMENT_TOLERANCE.items():
        claim = f"{name} within {tolerance:.0%}"
        if name in found:
            yield equivalence(claim, found[name], tolerance)
        elif error:  # their process failed as a whole
            yield Check(claim, error, holds=False)
        else:
            yield Check(claim, "not on this machine, or not yet", None)


def equivalence(claim: str, found: Mapping[str, Any], tolerance: float) -> Check:
    """Whether a ratio is shown to be 1 within a tolerance.

    It is when all that its spread leaves open lies within, and is not when all of that lies
    outside. In between nothing is shown, and the number of rounds that would tell is given.
    """
    if "error" in found:
        return Check(claim, found["error"], holds=False)
    distance, spread = abs(found["value"] - 1), found["spread"]
    text = f"{found['value']:.4f} ± {spread:.4f}"
    if distance + spread <= tolerance:
        return Check(claim, text, holds=True)
    if distance - spread > tolerance:
        return Check(claim, text, holds=False)
    # The spread shrinks with the root of the number of rounds.
    margin = max(abs(tolerance - distance), tolerance / 100)
    rounds = math.ceil(found["rounds"] * (spread / margin) ** 2)
    told = f"{text}: not shown; about {rounds - found['rounds']} more rounds would tell"
    return Check(claim, told, None)


def _forked(output: Path) -> Check:
    """Whether every process that was forked measured on the GPU, what the one that it was forked
    from had of the driver, and what it saves. Where that does not hold, it says so of this driver;
    the harness spawns processes there."""
    claim, ledger = "a forked process uses the GPU", _ledger(output, STARTS)
    if error := (ledger.complete() or {}).get("error"):
        return Check(claim, error, holds=False)
    forked = [each for name, each in ledger.results().items() if name.startswith("fork")]
    if wrong := [each["error"] for each in forked if "error" in each]:
        return Check(claim, wrong[0], holds=False)
    times_s = case_start.start_ups_s(ledger)
    if not times_s["fork"]:
        return Check(claim, "not yet", None)
    told = "; ".join(
        f"{len(values_s)} {policy}: {median(values_s):.2f} s of start-up"
        for policy, values_s in times_s.items()
        if values_s
    )
    driver = next((each["driver"] for each in forked if "driver" in each), "unknown")
    on_gpu = any(each.get("clock") == "cuda" for each in forked)
    return Check(claim, f"driver {driver}; {told}", holds=True if on_gpu else None)


def _every(name: str, of: Sequence[Measurement], condition: Callable[[Measurement], bool]) -> Check:
    good = sum(map(condition, of))
    return Check(name, f"{good} of {len(of)} cases", None if not of else good == len(of))


def _measured(output: Path, run: str) -> Check:
    """Whether a run has a result for all its cases: that one is unsupported is a result, and so is
    that it does not fit the memory. While one only lacks some, nothing is known."""
    name = f"{run}: every case was measured, is unsupported or too large"
    outcome = gpu_records.outcome(output / run)
    if outcome is None:
        return Check(name, "no run", None)
    results = [each for each in outcome.failures.values() if each.reason in RESULTS]
    planned = len(RunFolder(output / run).plan().attempts())
    good = len(outcome.measurements) + len(results)
    bad = len(outcome.failures) > len(results)
    return Check(name, f"{good} of {planned} cases", False if bad else good >= planned or None)


def _enqueue_is_shorter(measurement: Measurement) -> bool:
    return all(
        block.enqueue_s is not None and all(map(operator.lt, block.enqueue_s, block.samples_s))
        for block in measurement.blocks
    )


def _device_is_shorter(measurement: Measurement) -> bool:
    """By the medians of all calls of a variant: the wall clock starts behind the first event, and a
    host that is held up in between makes the wall time of a single call the shorter one."""
    for variant in ("eager", "compiled"):
        blocks = [block for block in measurement.blocks if block.variant == variant]
        device_s = [time_s for block in blocks for time_s in block.device_s or ()]
        if not device_s or median(device_s) >= median(chain(*(b.samples_s for b in blocks))):
            return False
    return True


def _telemetry(on_gpu: Sequence[Measurement]) -> Check:
    """Where NVML cannot be asked at all, the machine lacks it, and the records say so."""
    check = _every("every block has telemetry", on_gpu, _has_telemetry)
    notes = {each.telemetry_note for each in on_gpu}
    if len(notes) == 1 and (note := notes.pop()).startswith("no NVML"):
        return Check(check.name, note, None)
    return check


def _has_telemetry(measurement: Measurement) -> bool:
    return all(block.telemetry is not None for block in measurement.blocks)


def _has_busy(measurement: Measurement) -> bool:
    return measurement.eager_busy_s is not None and measurement.compiled_busy_s is not None


def _launches_graphs(measurement: Measurement) -> bool:
    """Whether graphs were recorded and, where the profiler saw anything, launched."""
    evidence = measurement.compile_evidence
    if evidence is None or not evidence.cuda_graphs:
        return False
    return evidence.cuda_graph_launches is None or evidence.cuda_graph_launches > 0

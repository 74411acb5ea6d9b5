"""What `gpu_check` found: a line per check, a line per case, and why each failure failed (pure,
but for reading the folders)."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from harness.records import Block, Failure, Measurement
from orchestrator.compare import facts
from orchestrator.records.rundir import RunFolder
from orchestrator.statistics import statistics

RUNS: Final = ("first", "second", "graphs-1", "graphs-2", "modes", "precisions", "tf32-autotune")
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
    """One claim and what was found; `holds` is None where this machine cannot tell."""

    name: str
    found: str
    holds: bool | None


def render(output: Path) -> str:
    """The whole result as text."""
    lines = ["", "checks"]
    found = checks(output)
    width = max(len(check.name) for check in found)
    for check in found:
        word = {True: "holds", False: "FAILS", None: "-"}[check.holds]
        lines.append(f"  {word:<6} {check.name:<{width}}  {check.found}")
    lines += ["", "speed-up, the same case twice", *_repeated(output)]
    lines += ["", "failures", *(_failures(output) or ["  none"])]
    return "\n".join(lines)


def holds(output: Path) -> bool:
    """Whether no check fails; a case that failed has its reason in the table and is no check."""
    return all(check.holds is not False for check in checks(output))


def measurements(folder: Path) -> Mapping[str, Measurement]:
    """What was measured in a run folder, by case id; nothing where there is no such folder."""
    if not (folder / "run.json").exists():
        return {}
    (outcome,) = RunFolder(folder).outcomes()
    return outcome.measurements


def checks(output: Path) -> list[Check]:
    """All claims, in the order in which a reader doubts them."""
    found = list(chain.from_iterable(measurements(output / run).values() for run in RUNS))
    graphs = [
        each
        for run in ("graphs-1", "graphs-2")
        for each in measurements(output / run).values()
        if each.case.mode == "reduce-overhead"
    ]
    on_gpu = [each for each in found if each.clock == "cuda"]
    return [
        *_instruments(output),
        _every("host enqueue is shorter than wall", on_gpu, _enqueue_is_shorter),
        _every("device time is shorter than wall", on_gpu, _device_is_shorter),
        _telemetry(on_gpu),
        _every("device-busy was measured", on_gpu, _has_busy),
        _every(
            f"A/A: eager against itself within {NOISE_FLOOR:.0%}",
            [each for each in found if each.case.mode == "eager"],
            lambda each: abs(speed_up(each) - 1) <= NOISE_FLOOR,
        ),
        _every("reduce-overhead launches recorded CUDA graphs", graphs, _launches_graphs),
        *(_measured(output, run) for run in RUNS),
        _every("flags were read back", found, lambda each: bool(each.flags)),
    ]


def speed_up(measurement: Measurement) -> float:
    """Ratio of the means of all timed calls."""
    eager, compiled = (facts.samples(measurement.blocks, each) for each in ("eager", "compiled"))
    return statistics.speed_up(eager, compiled).value


def is_launch_bound(measurement: Measurement) -> bool:
    """Whether the eager model waits for the host; unknown on a CPU, and then False."""
    if measurement.case.mode == "eager":
        return False
    return facts.facts_of(measurement, None).eager.bound == "launch-bound"


def _instruments(output: Path) -> Iterator[Check]:
    path = output / "instruments.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for name, tolerance in INSTRUMENT_TOLERANCE.items():
        claim = f"{name} within {tolerance:.0%}"
        if name in found:
            yield equivalence(claim, found[name], tolerance)
        elif "instruments" in found:  # their process failed as a whole
            yield Check(claim, found["instruments"]["error"], holds=False)
        else:
            yield Check(claim, "not on this machine", None)


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


def _every(name: str, of: Sequence[Measurement], condition: Callable[[Measurement], bool]) -> Check:
    good = sum(map(condition, of))
    return Check(name, f"{good} of {len(of)} cases", None if not of else good == len(of))


def _measured(output: Path, run: str) -> Check:
    """Whether a run has a result for all its cases: that one is unsupported is a result, and so is
    that it does not fit the memory."""
    name = f"{run}: every case was measured, is unsupported or too large"
    if not (output / run / "run.json").exists():
        return Check(name, "no run", None)
    folder = RunFolder(output / run)
    (outcome,) = folder.outcomes()
    results = [each for each in outcome.failures.values() if each.reason in RESULTS]
    planned, good = len(folder.plan().cases()), len(outcome.measurements) + len(results)
    return Check(name, f"{good} of {planned} cases", good == planned)


def _enqueue_is_shorter(measurement: Measurement) -> bool:
    return all(_is_below(block.enqueue_s, block) for block in measurement.blocks)


def _device_is_shorter(measurement: Measurement) -> bool:
    return all(_is_below(block.device_s, block) for block in measurement.blocks)


def _is_below(times_s: tuple[float, ...] | None, block: Block) -> bool:
    """Whether there are such times, each below the wall time of its call."""
    return times_s is not None and all(map(operator.lt, times_s, block.samples_s))


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


def _repeated(output: Path) -> Iterator[str]:
    for before, after in (("first", "second"), ("graphs-1", "graphs-2")):
        once, twice = measurements(output / before), measurements(output / after)
        for case_id in once:
            if case_id in twice:
                yield _line(case_id, once[case_id], twice[case_id])
    for run in ("modes", "precisions", "tf32-autotune"):
        for case_id, measured in measurements(output / run).items():
            yield f"  {case_id:<58} {speed_up(measured):7.3f}"


def _line(case_id: str, once: Measurement, twice: Measurement) -> str:
    before, after = speed_up(once), speed_up(twice)
    bound = "  launch-bound" if is_launch_bound(once) else ""
    return f"  {case_id:<58} {before:7.3f} {after:7.3f}  {after / before - 1:+7.2%}{bound}"


def _failures(output: Path) -> list[str]:
    return [
        f"  {run}: {failure.case_id or 'the host'}: {failure.reason}: {failure.message}"
        for run in RUNS
        if (output / run / "run.json").exists()
        for failure in _failed(output / run)
    ]


def _failed(folder: Path) -> list[Failure]:
    (outcome,) = RunFolder(folder).outcomes()
    return [*outcome.host_failures, *outcome.failures.values()]

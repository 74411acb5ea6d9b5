"""What `gpu_check` found so far, as text: a line per step, per check, per case, and why each
failure failed (pure, but for reading the folders)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import gpu_records, gpu_settings
from benchmarks.gpu_checks import checks
from benchmarks.gpu_settings import ESSENTIAL, RUNS, STARTS, STEPS
from benchmarks.gpu_steps import WALL
from benchmarks.ledger import Ledger
from harness.contract.records import Measurement
from orchestrator.compare import rehearsal

REHEARSAL: Final = "a rehearsal on a fake GPU: no number here is a result"
# What measures the same cases again, by the run that measured them first.
AGAIN: Final = {"first": "second", "graphs-1": "graphs-2"}
_WORDS: Final = {True: "holds", False: "FAILS", None: "-"}


def render(output: Path) -> str:
    """All that there is; nothing of it needs to be complete."""
    return "\n".join(
        [
            "",
            *_heading(output),
            *_section("steps", _steps(output)),
            *_section("checks", _checks(output)),
            *_section("speed-up, and the same case again", _speed_ups(output)),
            *_section("failures", _failures(output)),
        ]
    )


def holds(output: Path) -> bool:
    """Whether no check fails; a case that failed has its reason in the table and is no check."""
    return all(check.holds is not False for check in checks(output))


def devices(output: Path) -> list[str]:
    """The processors that anything here ran on, by name."""
    names = []
    for run in RUNS:
        outcome = gpu_records.outcome(output / run)
        names += [] if outcome is None else [each.device.name for each in outcome.environments]
    starts = Ledger(output / f"{STARTS}.jsonl").results().values()
    names += [each.get("device", "") for each in starts]
    return sorted({name for name in names if name})


def _section(title: str, lines: Iterator[str]) -> list[str]:
    return ["", title, *(list(lines) or ["  none"])]


def _heading(output: Path) -> Iterator[str]:
    fixed = gpu_settings.kept(output)
    found = devices(output) or list(filter(None, [fixed.gpu if fixed else ""]))
    torch = f", torch {fixed.torch}" if fixed else ""
    yield f"checked: {', '.join(found) or 'no GPU'}{torch}"
    if any(map(rehearsal.is_fake, found)):
        yield REHEARSAL
    for cause in rehearsal.causes(fixed.size if fixed else None, None, ()):
        yield cause.sentence


def _steps(output: Path) -> Iterator[str]:
    """Wall time over all calls, and what the last one ended with."""
    spent: dict[str, list[float]] = {}
    last: dict[str, bool] = {}
    for line in Ledger(output / WALL).lines():
        spent.setdefault(line["result"], []).append(line["wall_s"])
        last[line["result"]] = line["done"]
    for name in STEPS:
        if walls_s := spent.get(name):
            state = "done" if last[name] else "not finished"
            yield f"  {name:<14} {sum(walls_s):8.1f} s in {len(walls_s)} turns  {state}"


def _checks(output: Path) -> Iterator[str]:
    found = checks(output)
    width = max(len(check.name) for check in found)
    for check in found:
        yield f"  {_WORDS[check.holds]:<6} {check.name:<{width}}  {check.found}"


def _speed_ups(output: Path) -> Iterator[str]:
    for run in RUNS:
        if run in AGAIN.values():
            continue
        again = gpu_records.measurements(output / AGAIN[run]) if run in AGAIN else {}
        for case_id, once in gpu_records.measurements(output / run).items():
            yield _line(case_id, once, again.get(case_id))


def _line(case_id: str, once: Measurement, twice: Measurement | None) -> str:
    before = gpu_records.speed_up(once)
    bound = "  launch-bound" if gpu_records.is_launch_bound(once) else ""
    if twice is None:
        return f"  {case_id:<58} {before:7.3f}{bound}"
    after = gpu_records.speed_up(twice)
    return f"  {case_id:<58} {before:7.3f} {after:7.3f}  {after / before - 1:+7.2%}{bound}"


def _failures(output: Path) -> Iterator[str]:
    for name, result in Ledger(output / f"{ESSENTIAL}.jsonl").results().items():
        if result["outcome"] == "failed":
            yield f"  {ESSENTIAL}: {name}: {result['said']}"
    for name, result in Ledger(output / f"{STARTS}.jsonl").results().items():
        if "error" in result:
            yield f"  {STARTS}: {name}: {result['error']}"
    for run in RUNS:
        for failure in gpu_records.failures(output / run):
            who = failure.case_id or "the host"
            yield f"  {run}: {who}: {failure.reason}: {failure.message}"

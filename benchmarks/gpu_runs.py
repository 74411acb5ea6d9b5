"""The steps of `gpu_check` that are runs: folders with records, as `orchestrate.py` makes them."""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import gpu_records, processes
from benchmarks.gpu_settings import Fixed, Settings
from benchmarks.gpu_steps import StepError
from benchmarks.ledger import Ledger
from harness.contract import catalogue
from harness.contract.plan import Case, Picture, Plan, Protocol
from harness.contract.records import CaseStarted, Failure, Measurement, Record
from harness.contract.vocabulary import Precision
from orchestrator.records.rundir import RunFolder

HOST: Final = "local"
LIGHT: Final = ("resnet-50", "vit-base")
MODES: Final = ("max-autotune", "max-autotune-no-cudagraphs")
PRECISIONS: Final[tuple[Precision, ...]] = ("ieee", "tf32", "float16", "bfloat16")
# Some of both kinds must fit a quarter of an hour; what is left of them comes after that.
FIRST_S: Final = 300.0
GRAPHS_S: Final = 150.0
# Enough of NVML's counter, and less than half of what a case takes otherwise.
ENERGY_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder, measured until it lacks nothing. What it is measured by never depends on how
    long a call lasts, so that any call can go on with it."""

    name: str
    budget_s: float
    plan: Plan
    output: Path
    command: str

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.output / self.name)

    @property
    def tries(self) -> Ledger:
        """Cases that a deadline cut short."""
        return Ledger(self.output / f"{self.name}.tries.jsonl")

    def run(self, until_s: float) -> bool:
        """Call the harness until nothing is left or the time is over.

        Raises: StepError: it ended by itself without a single result.
        """
        plan = self._kept_plan()
        while (now_s := time.monotonic()) < until_s:
            left = self._lacking(plan)
            ready = {case for case in left if self.tries.may_begin(case, until_s - now_s)}
            if not ready:
                return not left
            print(f"{self.name}: {len(ready)} cases to measure", flush=True)
            skip = {case.case_id for case in _every(plan)} - ready
            rest = plan.model_copy(update={"skip": tuple(sorted(skip))})
            if not self._measure(rest, until_s):
                break
            if self._lacking(plan) == left:
                raise StepError(self._why_not())
        return not self._lacking(plan)

    def left(self) -> list[str]:
        """The cases without a result; a failure is a result, to explain and not to repeat."""
        tried_s = self.tries.in_vain_s()
        lacking = self._lacking(self.plan)
        in_vain = [
            f"{case} had {tried_s[case]:.0f} s and did not end"
            for case in lacking
            if case in tried_s
        ]
        return in_vain + [case for case in lacking if case not in tried_s]

    def _kept_plan(self) -> Plan:
        """The folder's plan, made by the first call; which of its cases are left out may change."""
        if not (self.folder.path / "run.json").exists():
            _create(self.folder, self.plan, self.command)
        kept = self.folder.plan()
        if kept.skip != self.plan.skip:
            kept = kept.model_copy(update={"skip": self.plan.skip})
            self.folder.write("plan.json", kept.model_dump_json(indent=2) + "\n")
        return kept

    def _lacking(self, plan: Plan) -> list[str]:
        done = gpu_records.done(self.folder)
        return [case.case_id for case in plan.attempts() if case.case_id not in done]

    def _measure(self, plan: Plan, until_s: float) -> bool:
        """Run the harness; every record is on disk at once. Whether it ended by itself."""
        start_s, code = time.monotonic(), None
        with self.folder.attempt(HOST, plan) as attempt, attempt.log.open("wb") as log:
            # Known from the start, because nothing can be written once this process is killed: a
            # case that is open then is missing, and has not crashed.
            self.folder.mark_interrupted([attempt.name])
            code = processes.run_until(
                until_s,
                [sys.executable, "-m", "harness", "--plan", "-"],
                stdin=plan.model_dump_json().encode(),
                stdout=attempt.file.fileno(),
                stderr=log,
            )
        if code is not None:
            self.folder.mark_followed(attempt.name)
            return True
        records = self.folder.attempts(HOST)[attempt.name].records
        if (open_case := _under_way(records)) is not None:
            had_s = time.monotonic() - start_s - open_case.elapsed_s
            self.tries.run_out(open_case.case_id, had_s)
        return False

    def _why_not(self) -> str:
        (outcome,) = self.folder.outcomes()
        for failure in outcome.host_failures[-1:]:
            return failure.message
        return f"the harness ended without a result; what it said: {self.folder.path / 'logs'}"


def _under_way(records: Sequence[Record]) -> CaseStarted | None:
    """The begin of the case that has no result yet."""
    begun: CaseStarted | None = None
    for record in records:
        match record:
            case CaseStarted() if record.stage == "build":
                begun = record
            case Measurement() | Failure():
                begun = None
            case _:
                pass
    return begun


def _create(folder: RunFolder, plan: Plan, command: str) -> None:
    for name in ("records", "logs"):
        (folder.path / name).mkdir(parents=True, exist_ok=True)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    meta = {
        "run_id": folder.path.name,
        "created": created,
        "command": command,
        "hosts": [HOST],
        "interrupted": [],
    }
    folder.write("plan.json", plan.model_dump_json(indent=2) + "\n")
    folder.write("run.json", json.dumps(meta, indent=2) + "\n")  # last: it says that all is there


def runs(settings: Settings) -> Iterator[Run]:
    """These steps in their order. Lazy: what a later one measures depends on an earlier one."""
    for name, budget_s, plan in _plans(settings):
        if plan.attempts():
            yield Run(name, budget_s, plan, settings.output, settings.command)


def _plans(settings: Settings) -> Iterator[tuple[str, float, Plan]]:
    fixed = settings.fixed
    outer = tuple(sorted({fixed.batch_sizes[0], fixed.batch_sizes[-1]}))
    first = _plan(fixed, batch_sizes=outer)
    yield "first", FIRST_S, first
    yield "graphs-1", GRAPHS_S, _graphs(settings, outer)
    yield "second", 0.0, first
    yield "graphs-2", 0.0, _graphs(settings, outer)
    light = tuple(name for name in fixed.models if name in LIGHT) or fixed.models[:1]
    one = outer[:1]
    yield "modes", 0.0, _plan(fixed, models=light, recipes=MODES, batch_sizes=one)
    yield "precisions", 0.0, _plan(fixed, models=light, precisions=PRECISIONS, batch_sizes=one)
    # Inductor reads the flags of TF32 while it tunes.
    tuned = _plan(
        fixed, models=light, recipes=("max-autotune",), precisions=("tf32",), batch_sizes=one
    )
    yield "tf32-autotune", 0.0, tuned
    if between := fixed.batch_sizes[1:-1]:
        yield "between", 0.0, _plan(fixed, batch_sizes=between)


def _graphs(settings: Settings, batch_sizes: tuple[int, ...]) -> Plan:
    """With CUDA graphs, what is known by now to wait for the host without them; its noise is the
    one of `first`."""
    measured = gpu_records.measurements(settings.output / "first")
    bound = [each.case for each in measured.values() if gpu_records.is_launch_bound(each)]
    plan = _plan(
        settings.fixed, recipes=("reduce-overhead",), batch_sizes=batch_sizes, controls=False
    )
    return _only(bound, plan)


def _plan(
    fixed: Fixed,
    *,
    models: tuple[str, ...] | None = None,
    recipes: tuple[str, ...] = ("default",),
    precisions: tuple[Precision, ...] = ("float32",),
    batch_sizes: tuple[int, ...],
    controls: bool = True,
) -> Plan:
    chosen = models or fixed.models
    return Plan(
        models=chosen,
        recipes=recipes,
        precisions=precisions,
        batch_sizes=batch_sizes,
        noise_floor=_noise_floor(chosen, precisions[0], batch_sizes) if controls else (),
        protocol=_protocol(fixed),
        weights="random",
        size=fixed.size,
        picture=Picture(url="", fallback=True),
    )


def _protocol(fixed: Fixed) -> Protocol:
    """Nothing of it may depend on what differs between two calls."""
    full = Protocol(
        iterations=fixed.iterations, energy_s=ENERGY_S, case_processes=fixed.case_processes
    )
    brief = {"warmup_min_calls": 5, "warmup_min_s": 0.1, "energy_s": 0.2}
    return full if fixed.size == "full" else full.model_copy(update=brief)


def _noise_floor(
    models: Sequence[str], precision: Precision, batch_sizes: Sequence[int]
) -> tuple[Case, ...]:
    flops = {model.name: model.flops_per_image for model in catalogue.CATALOGUE}
    every = [
        Case(model=model, recipe="eager", precision=precision, batch_size=batch_size)
        for model in (min(models, key=flops.__getitem__), max(models, key=flops.__getitem__))
        for batch_size in (min(batch_sizes), max(batch_sizes))
    ]
    return tuple(dict.fromkeys((every[0], every[-1])))


def _only(cases: Sequence[Case], plan: Plan) -> Plan:
    """A plan that skips what has no partner among `cases`."""
    kept = {(case.model, case.batch_size) for case in cases}
    skip = [case.case_id for case in _every(plan) if (case.model, case.batch_size) not in kept]
    return plan.model_copy(update={"skip": tuple(skip)})


def _every(plan: Plan) -> tuple[Case, ...]:
    return (*plan.noise_floor, *plan.all_cases())

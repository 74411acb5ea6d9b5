"""The runs of `gpu_check`, in their order, each only as far as its folder lacks something."""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from benchmarks import gpu_table
from harness import catalogue
from harness.plan import Case, Picture, Plan, Protocol
from harness.vocabulary import CompileMode, Precision, Size
from orchestrator.records.rundir import RunFolder

ROOT: Final = Path(__file__).resolve().parent.parent
HOST: Final = "local"
LIGHT: Final = ("resnet-50", "vit-base")
MODES: Final[tuple[CompileMode, ...]] = ("max-autotune", "max-autotune-no-cudagraphs")
PRECISIONS: Final[tuple[Precision, ...]] = ("ieee", "tf32", "float16", "bfloat16")
UNFINISHED: Final = 3
# A case that takes nearly a whole call would never end otherwise.
SPARE_S: Final = 60.0
GRACE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What to check, by which command, and when to stop for now (on the monotonic clock)."""

    output: Path
    size: Size
    models: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    iterations: int
    minutes: float
    deadline_s: float
    command: str

    def protocol(self) -> Protocol:
        limit_s = max(self.minutes * 60 - SPARE_S, SPARE_S)
        if self.size == "full":
            return Protocol(iterations=self.iterations, case_limit_s=limit_s)
        return Protocol(
            iterations=self.iterations,
            case_limit_s=limit_s,
            warmup_min_calls=5,
            warmup_min_s=0.1,
            energy_s=1.0,
        )

    def instruments(self, target: Path) -> tuple[str, ...]:
        """The arguments of the Python process that holds the harness against other instruments."""
        return "-m", "benchmarks.overhead", "--size", self.size, "--json", str(target)


def main(description: str) -> None:
    """Measure until the time is over or the table can be printed; exits with what came of it."""
    settings = parse(sys.argv[1:], description)
    settings.output.mkdir(parents=True, exist_ok=True)
    if not _instruments(settings):
        _leave_for_now("instruments")
    for name, plan in _steps(settings):
        if not _finish(RunFolder(settings.output / name), plan, settings):
            _leave_for_now(name)
    print(gpu_table.render(settings.output))
    sys.exit(0 if gpu_table.holds(settings.output) else 1)


def _leave_for_now(name: str) -> NoReturn:
    print(f"\nnot finished yet: {name}. Run the same command again to go on.")
    sys.exit(UNFINISHED)


def _steps(settings: Settings) -> Iterator[tuple[str, Plan]]:
    """The runs in their order. Lazy: a later one depends on what an earlier one found."""
    every = _plan(settings)
    yield "first", every
    yield "second", every
    measured = gpu_table.measurements(settings.output / "first")
    bound = [each.case for each in measured.values() if gpu_table.is_launch_bound(each)]
    for name in ("graphs-1", "graphs-2"):
        if bound:
            yield name, _only(bound, _plan(settings, modes=("reduce-overhead",)))
    light = tuple(name for name in settings.models if name in LIGHT) or settings.models[:1]
    yield "modes", _plan(settings, models=light, modes=MODES, batch_sizes=(1,))
    yield "precisions", _plan(settings, models=light, precisions=PRECISIONS, batch_sizes=(1,))
    # Inductor reads the flags of TF32 while it tunes.
    yield (
        "tf32-autotune",
        _plan(
            settings,
            models=light,
            modes=("max-autotune",),
            precisions=("tf32",),
            batch_sizes=(1,),
        ),
    )


def _plan(
    settings: Settings,
    *,
    models: tuple[str, ...] | None = None,
    modes: tuple[CompileMode, ...] = ("default",),
    precisions: tuple[Precision, ...] = ("float32",),
    batch_sizes: tuple[int, ...] | None = None,
) -> Plan:
    chosen = models or settings.models
    sizes = batch_sizes or settings.batch_sizes
    return Plan(
        models=chosen,
        modes=modes,
        precisions=precisions,
        batch_sizes=sizes,
        noise_floor=_noise_floor(chosen, precisions[0], sizes),
        protocol=settings.protocol(),
        weights="random",
        size=settings.size,
        picture=Picture(url="", fallback=True),
    )


def _noise_floor(
    models: Sequence[str], precision: Precision, batch_sizes: Sequence[int]
) -> tuple[Case, ...]:
    flops = {model.name: model.flops_per_image for model in catalogue.CATALOGUE}
    every = [
        Case(model=model, mode="eager", precision=precision, batch_size=batch_size)
        for model in (min(models, key=flops.__getitem__), max(models, key=flops.__getitem__))
        for batch_size in (min(batch_sizes), max(batch_sizes))
    ]
    return tuple(dict.fromkeys((every[0], every[-1])))


def _only(cases: Sequence[Case], plan: Plan) -> Plan:
    """A plan that skips what has no partner among `cases`."""
    kept = {(case.model, case.batch_size) for case in cases}
    skip = [case.case_id for case in plan.all_cases() if (case.model, case.batch_size) not in kept]
    return plan.model_copy(update={"skip": tuple(skip)})


def _finish(folder: RunFolder, plan: Plan, settings: Settings) -> bool:
    """Measure what the folder lacks; whether there is nothing left."""
    if not (folder.path / "plan.json").exists():
        _create(folder, plan, settings.command)
    done = _done(folder)
    rest = plan.model_copy(update={"skip": tuple(sorted({*plan.skip, *done}))})
    if not rest.cases():
        return True
    if time.monotonic() >= settings.deadline_s:
        return False
    print(f"{folder.path.name}: {len(rest.cases())} cases to measure", flush=True)
    log = _measure(folder, rest, settings.deadline_s)
    now_done = _done(folder)
    if now_done == done and time.monotonic() < settings.deadline_s:
        sys.exit(_why_not(folder, log))
    return all(case.case_id in now_done for case in rest.cases())


def _why_not(folder: RunFolder, log: Path) -> str:
    """Why the harness ended without a single result: calling it again would not help."""
    (outcome,) = folder.outcomes()
    said = [failure.message for failure in outcome.host_failures]
    return "\n".join(said or [f"the harness ended without a result; what it said: {log}"])


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
    folder.write("run.json", json.dumps(meta, indent=2) + "\n")
    folder.write("plan.json", plan.model_dump_json(indent=2) + "\n")


def _done(folder: RunFolder) -> set[str]:
    """Cases with a result, a failure included: it is a result to explain, not to repeat."""
    (outcome,) = folder.outcomes()
    return {*outcome.measurements, *(case for case in outcome.failures if case is not None)}


def _measure(folder: RunFolder, plan: Plan, deadline_s: float) -> Path:
    """Run the harness until it is done or the time is over; every record is on disk at once.

    Returns: the file with what it printed besides.
    """
    with (
        folder.attempt(HOST) as attempt,
        attempt.log.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "harness", "--plan", "-"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=attempt.file.fileno(),
            stderr=log,
        ) as harness,
    ):
        assert harness.stdin is not None
        with harness.stdin as pipe:
            pipe.write(plan.model_dump_json().encode())
        try:
            harness.wait(max(deadline_s - time.monotonic(), 1.0))
        except subprocess.TimeoutExpired:
            _stop(harness)
            folder.mark_interrupted([attempt.name])
    return attempt.log


def _stop(harness: subprocess.Popen[bytes]) -> None:
    harness.terminate()
    try:
        harness.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        harness.kill()


def _instruments(settings: Settings) -> bool:
    """Hold the harness against other instruments, as far as the time reaches; whether that is over.

    In a process of its own, so that its CUDA context is gone when the harness measures. Each ratio
    is on disk at once. A process that fails, or that gets nothing done in a whole call, is written
    down as failed.
    """
    target, log = settings.output / "instruments.json", settings.output / "instruments.log"
    finished = settings.output / "instruments.done"
    if finished.exists():
        return True
    print("instruments: the harness beside others", flush=True)
    before = _ratios(target)
    left_s = settings.deadline_s - time.monotonic()
    try:
        with log.open("ab") as output:
            code = subprocess.run(
                [sys.executable, *settings.instruments(target)],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                timeout=max(left_s, 1.0),
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        if _ratios(target) != before:
            return False
        code = None
    if code != 0:
        how = "took longer than a whole call" if code is None else f"ended with exit code {code}"
        failed = {"error": f"the process of the instruments {how}; what it said: {log}"}
        target.write_text(json.dumps(_ratios(target) | {"instruments": failed}, indent=1) + "\n")
    finished.touch()
    return True


def _ratios(target: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(target.read_text()) if target.exists() else {}
    return found


def parse(arguments: list[str], description: str = "") -> Settings:
    """The settings of a command line."""
    every = ",".join(model.name for model in catalogue.CATALOGUE)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"exit codes: 0 everything holds, 1 something does not, {UNFINISHED} run it again",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "gpu-check")
    parser.add_argument("--minutes", type=float, default=9.0, help="when to stop for now")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--models", default=every, help="comma-separated short names")
    parser.add_argument("--batch-sizes", default="1,4,16")
    parser.add_argument("--iterations", type=int, default=300)
    given = parser.parse_args(arguments)
    return Settings(
        output=given.output.resolve(),
        size=given.size,
        models=tuple(given.models.split(",")),
        batch_sizes=tuple(int(text) for text in given.batch_sizes.split(",")),
        iterations=given.iterations,
        minutes=given.minutes,
        deadline_s=time.monotonic() + given.minutes * 60,
        command=shlex.join(["python", "-m", "benchmarks.gpu_check", *arguments]),
    )

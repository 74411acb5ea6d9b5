"""How long a case takes to start in a process that is forked from one with the libraries loaded,
and in one that is spawned from nothing; and whether the forked one uses the GPU.

    python -m benchmarks.case_start [--pairs 3] [--json FILE]

Cases of a tiny model by turns, forked and spawned, in one run, eager alone; the last one, forked,
is compiled. With --json each goes into a file of JSON lines as soon as it is there, and what the
file holds is not measured again.
"""

from __future__ import annotations

import argparse
import math
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal, TypeAlias

from benchmarks.ledger import Ledger
from harness import worker
from harness.child import Nursery, ProbeError
from harness.contract.plan import Case, CaseAttempt, Picture, Plan, Protocol
from harness.contract.records import Environment, Measurement, Record
from harness.models import picture
from harness.worker import Job, Loaded

Policy: TypeAlias = Literal["fork", "spawn"]
POLICIES: Final[tuple[Policy, Policy]] = ("fork", "spawn")
# What a turn is called, how it starts, and what it measures; None only looks at the GPU.
Turn: TypeAlias = tuple[str, Policy, str | None]
PAIRS: Final = 3
LOOK_S: Final = 60.0
MODEL: Final = "resnet-50"
PLAN: Final = Plan(
    models=(MODEL,),
    batch_sizes=(1,),
    protocol=Protocol(
        iterations=2, warmup_min_calls=2, warmup_min_s=0, warmup_max_calls=4, energy_s=0
    ),
    weights="random",
    size="tiny",
    picture=Picture(url="", fallback=True),
)


def main(arguments: Sequence[str] = ()) -> None:
    """Measure what the file lacks, then print what it holds."""
    given = _parser().parse_args(arguments)
    # As Ctrl-C: the case is killed and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(given.json or Path(folder) / "starts.jsonl")
        turns = _turns(given.pairs, compiled=not given.eager)
        measure(ledger, Path(folder), turns, time.monotonic() + given.left_s)
        print(describe(ledger))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Start-up of a case, forked and spawned.")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="cases of each kind")
    parser.add_argument("--eager", action="store_true", help="leave out the compiled case")
    parser.add_argument("--json", type=Path, help="where the starts go, as JSON lines")
    parser.add_argument("--left-s", type=float, default=math.inf, help="when this is ended")
    return parser


@dataclass(slots=True)
class Starter:
    """Starts cases in one way, after a first process in that way has looked at the GPU."""

    policy: Policy
    folder: Path
    nursery: Nursery = field(init=False)
    environment: Environment | None = None

    def __post_init__(self) -> None:
        self.nursery = Nursery(wish=self.policy)

    def look(self) -> dict[str, object]:
        """What the first process found; starting it includes loading the libraries."""
        start_s = time.monotonic()
        try:
            self.environment = self.nursery.probe()
        except ProbeError as error:
            return {"error": str(error)}
        if self.environment.process_start != self.policy:
            return {"error": f"a process started by {self.policy} could not use this GPU"}
        return self._found(time.monotonic() - start_s) | {"driver": _driver(self.nursery)}

    def run(self, recipe: str) -> dict[str, object]:
        """What became of one case."""
        if self.environment is None and "error" in (found := self.look()):
            return found
        assert self.environment is not None
        with tempfile.TemporaryDirectory(dir=self.folder) as caches:
            start_s = time.monotonic()
            case = Case(model=MODEL, recipe=recipe, precision="float32", batch_size=1)
            job = Job(
                plan=PLAN,
                attempt=CaseAttempt(case=case),
                picture_path=str(self.folder / "picture.png"),
                cache_folder=caches,
                spawned_s=start_s,
                gpu_uuid=self.environment.device.uuid or "",
            )
            result = self.nursery.run_case(job, _nobody_listens)
        if not isinstance(result, Measurement):
            return {"error": f"{result.stage}: {result.reason}: {result.message}"}
        found = self._found(time.monotonic() - start_s)
        return {"mode": recipe, "start_up_s": result.start_up_s, "clock": result.clock} | found

    def _found(self, wall_s: float) -> dict[str, object]:
        assert self.environment is not None
        return {"device": self.environment.device.name, "wall_s": wall_s}


def _driver(nursery: Nursery) -> str:
    """What a new process has of the CUDA driver before it asks for a GPU: "absent", "loaded" or
    "initialised". A forked one has what the server has that it is forked from."""
    reader, writer = nursery.context.Pipe(duplex=False)
    process = nursery.context.Process(target=worker.describe, args=(writer,))  # type: ignore[attr-defined]
    process.start()
    writer.close()
    try:
        answered = reader.poll(LOOK_S)
        return Loaded.model_validate_json(reader.recv_bytes()).driver if answered else "unknown"
    except EOFError:
        return "unknown"
    finally:
        process.join(LOOK_S)
        process.kill()
        process.join()
        reader.close()


def _nobody_listens(_: Record) -> None:
    pass


def measure(ledger: Ledger, folder: Path, turns: Iterable[Turn], end_s: float) -> None:
    """Start what the ledger lacks, in this order, unless it is known to take more than is left."""
    picture.generated().image.save(folder / "picture.png")
    starters = {policy: Starter(policy, folder) for policy in POLICIES}
    for name, policy, mode in turns:
        if name in ledger.results() or not ledger.may_begin(name, end_s - time.monotonic()):
            continue
        if "error" in ledger.results().get(_look(policy), {}):
            continue
        ledger.begin(name)
        starter = starters[policy]
        found = starter.look() if mode is None else starter.run(mode)
        ledger.keep(name, policy=policy, **found)


def _look(policy: Policy) -> str:
    return f"{policy}: first look"


def _turns(pairs: int, *, compiled: bool) -> Iterator[Turn]:
    """What to start, in order, in pairs of which every other one is turned round; last a forked
    case that runs the compilers, too."""
    for policy in POLICIES:
        yield _look(policy), policy, None
    for number in range(1, pairs + 1):
        for policy in POLICIES if number % 2 else reversed(POLICIES):
            yield f"{policy} {number}", policy, "eager"
    if compiled:
        yield "fork, compiled", "fork", "default"


def start_ups_s(ledger: Ledger) -> dict[str, list[float]]:
    """Start-up seconds of the cases that were measured, by the way in which they were started."""
    found: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for result in ledger.results().values():
        if "start_up_s" in result:
            found[result["policy"]].append(result["start_up_s"])
    return found


def describe(ledger: Ledger) -> str:
    """Medians, their ratio, and what failed."""
    times_s = start_ups_s(ledger)
    lines = [
        f"{policy:<5} {median(values_s):7.3f} s of start-up per case "
        f"({min(values_s):.3f} to {max(values_s):.3f} s, {len(values_s)} cases)"
        for policy, values_s in times_s.items()
        if values_s
    ]
    if all(times_s.values()):
        ratio = median(times_s["spawn"]) / median(times_s["fork"])
        lines.append(f"spawned / forked: {ratio:.1f}")
    results: dict[str, dict[str, Any]] = ledger.results()
    lines += [f"{name}: {found['error']}" for name, found in results.items() if "error" in found]
    return "\n".join(lines or ["no case was started"])


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])

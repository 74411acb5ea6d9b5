"""What a `gpu_check` is asked for. What decides its plans is fixed by the first call and kept in
its folder; how long a call lasts is not, and may differ from call to call."""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from harness.contract import catalogue
from harness.contract.vocabulary import CaseProcesses, Size

ROOT: Final = Path(__file__).resolve().parent.parent
MODULE: Final = "benchmarks.gpu_check"
FILE: Final = "settings.json"
ESSENTIAL: Final = "essential"
OVERHEAD: Final = "overhead"
STARTS: Final = "starts"
RUNS: Final = (
    "first",
    "graphs-1",
    "second",
    "graphs-2",
    "modes",
    "precisions",
    "tf32-autotune",
    "between",
)
STEPS: Final = (ESSENTIAL, OVERHEAD, STARTS, *RUNS)


MOST_MINUTES: Final = 24 * 60
# GPU 0: NVIDIA H200 (UUID: GPU-…)
_LISTED: Final = re.compile(r"^GPU \d+: (.+) \(UUID: ", re.MULTILINE)


class UsageError(Exception):
    """What was asked for does not fit what the folder holds, or is no choice at all."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What all calls for one folder have in common, the machine included: `gpu` and `torch` as
    nvidia-smi and the installed distribution name them."""

    size: Size
    models: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    iterations: int
    case_processes: CaseProcesses
    gpu: str
    torch: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What to check, and for how long: `deadline_s` is on the monotonic clock."""

    output: Path
    fixed: Fixed
    only: tuple[str, ...]
    tests: tuple[str, ...]
    minutes: float
    deadline_s: float
    arguments: tuple[str, ...]

    @property
    def command(self) -> str:
        """What a run folder says of its origin."""
        return shlex.join(["python", "-m", MODULE, *self.arguments])

    @property
    def going_on(self) -> str:
        """The command that goes on, as it can be pasted into any terminal of this machine."""
        again = shlex.join([sys.executable, "-m", MODULE, *self.arguments])
        return f"cd {shlex.quote(str(ROOT))} && {again}"


def parse(arguments: list[str], description: str = "") -> Settings:
    """The settings of a command line, and of what its folder holds already.

    Writes the ones that are fixed into a new folder. Raises: UsageError.
    """
    given = parser(description).parse_args(arguments)
    output = given.output.resolve()
    only = STEPS if given.only is None else _chosen(given.only, STEPS, "step")
    _require_places(given)
    return Settings(
        output=output,
        fixed=_fixed(output, given),
        only=only,
        tests=tuple(given.tests.split(",")),
        minutes=given.minutes,
        deadline_s=time.monotonic() + given.minutes * 60,
        arguments=tuple(arguments),
    )


def parser(description: str = "") -> argparse.ArgumentParser:
    """The options. Those that a folder fixes have no default: not given, they are the folder's."""
    made = argparse.ArgumentParser(
        prog=f"python -m {MODULE}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes: 0 everything holds, 1 something does not, 2 a usage error, "
        "3 not finished: run it again",
    )
    made.add_argument("--output", type=Path, default=ROOT / "build" / "gpu-check")
    made.add_argument("--minutes", type=_minutes, default=9.0, help="when to stop for now")
    made.add_argument("--only", help=f"some of the steps: {','.join(STEPS)}")
    made.add_argument("--wheels", type=Path, help="a folder with what this Python lacks, as wheels")
    made.add_argument("--tests", default="tests/gpu", help="where the essential tests are")
    made.add_argument("--size", choices=("full", "tiny"), help="of the models (default: full)")
    made.add_argument("--models", help="comma-separated short names (default: all twelve)")
    made.add_argument("--batch-sizes", help="comma-separated (default: 1,4,16)")
    made.add_argument("--iterations", type=_count, help="per variant of a case (default: 300)")
    made.add_argument(
        "--case-processes", choices=("auto", "fork", "spawn"), help="of runs (default: auto)"
    )
    return made


def _require_places(given: argparse.Namespace) -> None:
    """Raises: UsageError: what is to be read is not there, and would be missed only later."""
    if given.wheels is not None and not given.wheels.is_dir():
        raise UsageError(f"--wheels {given.wheels} is no folder")
    for place in given.tests.split(","):
        if not (ROOT / place).exists():
            raise UsageError(f"--tests {place} is not there")


def _minutes(text: str) -> float:
    """A time that a call can last: nan, inf and what is not above zero would end none, or all."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes <= MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes up to {MOST_MINUTES}")
    return minutes


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def _fixed(output: Path, given: argparse.Namespace) -> Fixed:
    """What the folder has fixed, else what is given now, which it then keeps."""
    before = kept(output)
    asked = _new(given, before)
    if before is None:
        _refuse_other_content(output)
        _write(output, asked)
    elif differing := [name for name, was in asdict(before).items() if getattr(asked, name) != was]:
        raise UsageError(_differs(output, before, asked, differing))
    return asked


def _write(output: Path, asked: Fixed) -> None:
    """Raises: UsageError."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        part = output / f"{FILE}.part"  # whoever stops this process leaves a file whole
        part.write_text(json.dumps(asdict(asked), indent=1) + "\n")
        part.replace(output / FILE)
    except OSError as error:
        raise UsageError(f"--output {output} cannot be made: {error.strerror}") from error


def _new(given: argparse.Namespace, otherwise: Fixed | None = None) -> Fixed:
    """What a command line asks for on this machine, and where it says nothing, the other one."""
    every = otherwise or Fixed(
        size="full",
        models=tuple(model.name for model in catalogue.CATALOGUE),
        batch_sizes=(1, 4, 16),
        iterations=300,
        case_processes="auto",
        gpu="",
        torch="",
    )
    names = tuple(model.name for model in catalogue.CATALOGUE)
    flops = {model.name: model.flops_per_image for model in catalogue.CATALOGUE}
    models = _chosen(given.models, names, "model") if given.models else every.models
    sizes = _numbers(given.batch_sizes) if given.batch_sizes else every.batch_sizes
    return Fixed(
        size=given.size or every.size,
        # The lightest first: most cases fit the time.
        models=tuple(sorted(models, key=flops.__getitem__)),
        batch_sizes=tuple(sorted(set(sizes))),
        iterations=every.iterations if given.iterations is None else given.iterations,
        case_processes=given.case_processes or every.case_processes,
        gpu=every.gpu if (gpu := gpu_name()) is None else gpu,
        torch=version("torch"),
    )


def require_gpu() -> None:
    """Raises: UsageError: there is none, and a CPU has nothing that this is for.

    torch is asked, in a process of its own, where nvidia-smi lists none: it may not be there.
    """
    if gpu_name():
        return
    sees = "import torch; raise SystemExit(not torch.cuda.is_available())"
    if subprocess.run([sys.executable, "-c", sees], check=False, capture_output=True).returncode:
        raise UsageError(f"the PyTorch of {sys.executable} sees no GPU: there is nothing to check")


def gpu_name() -> str | None:
    """The GPUs that nvidia-smi lists, without loading torch; empty if there is no such tool, None
    if it fails."""
    if shutil.which("nvidia-smi") is None:
        return ""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return ", ".join(sorted(set(_LISTED.findall(done.stdout))))


def kept(output: Path) -> Fixed | None:
    """What a folder has fixed, if there is anything. Raises: UsageError."""
    path = output / FILE
    return _read(path) if path.exists() else None


def _read(path: Path) -> Fixed:
    try:
        fields = json.loads(path.read_text())
        lists = {name: tuple(fields[name]) for name in ("models", "batch_sizes")}
        return Fixed(**(fields | lists))
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} cannot be used: {error}. {_ELSEWHERE}") from error


_ELSEWHERE: Final = "Choose another folder:  --output FOLDER"


def _differs(output: Path, before: Fixed, asked: Fixed, names: list[str]) -> str:
    pairs = ((name, _shown(getattr(before, name)), _shown(getattr(asked, name))) for name in names)
    what = "; ".join(f"{name.replace('_', '-')} {old}, not {new}" for name, old, new in pairs)
    return (
        f"{output} holds a check of something else: {what}. Nothing was changed. {_ELSEWHERE}  "
        "(or leave out the options that the folder has fixed)"
    )


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value) or "none"


def _refuse_other_content(output: Path) -> None:
    """A folder of an older version, whose plans may differ, is not written into."""
    if any((output / name / "plan.json").exists() for name in STEPS):
        raise UsageError(
            f"{output} holds runs but no {FILE}: another version made it. {_ELSEWHERE}"
        )


def _chosen(text: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    for name in chosen:
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}; there is: {', '.join(known)}")
    return chosen


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--batch-sizes {text} is no list of numbers from 1 on")
    return tuple(map(int, parts))

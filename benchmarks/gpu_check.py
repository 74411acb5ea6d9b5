"""Everything that only a GPU can show, in one resumable script:  make gpu-check

Works with the torch and transformers of the Python that runs it. Besides those it needs pydantic,
numpy, scipy, pillow and requests, and nothing of this project installed; what is missing it takes
from a folder of wheels, `--wheels FOLDER`. Without nvidia-ml-py there is no telemetry and no
energy, without pytest no tests, and the table says so.

Each call ends after `--minutes`, or when it is interrupted. Call it again, with any `--minutes`,
and it goes on; what its folder holds is not measured again. Every call prints what there is so far.
The steps, in the order of their worth, with the time that each may take before the next ones had
theirs:

    essential       2 min   the tests of tests/gpu that are marked so
    overhead        2 min   the harness beside other instruments
    starts          1 min   forked and spawned processes: do they use the GPU, how long they take
    first           5 min   mode default, at the smallest and the largest batch size
    graphs-1      2.5 min   reduce-overhead for what `first` shows to be launch-bound
    second, graphs-2        the same two runs a second time
    modes                   the other compile modes, on two models
    precisions              every precision, on two models
    tf32-autotune           TF32 with max-autotune, on two models
    between                 the other batch sizes

A case that a deadline cuts short is taken up again with more time than it had; where a call has no
more, the others come first, and what is left says so. A failure is written down, and the rest goes
on.

The runs are run folders: `python orchestrate.py report FOLDER` makes their pages.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

OUTPUT: Final = Path(__file__).resolve().parent.parent / "build" / "gpu-check"
# Distribution -> the oldest release that is known to do; "" where any will.
NEEDED: Final = {
    "torch": "2.11",
    "transformers": "5.17",
    "pydantic": "2.9",
    "numpy": "",
    "scipy": "",
    "pillow": "",
    "requests": "",
}


def main() -> None:
    """Find what is needed, then make one call; exits with what came of it."""
    folder, wheels = _places(sys.argv[1:])
    trouble = _provide(folder, wheels) or "; ".join(_complaints())
    if trouble and not {"-h", "--help"} & set(sys.argv):
        print(f"{sys.executable} cannot run this check: {trouble}", file=sys.stderr)
        print(_advice(), file=sys.stderr)
        sys.exit(2)
    from benchmarks import gpu_calls

    sys.exit(gpu_calls.main(sys.argv[1:], __doc__ or ""))


def _places(arguments: list[str]) -> tuple[Path, Path | None]:
    """Where packages are kept that this Python lacks, and the wheels that they come from."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--wheels", type=Path)
    given, _ = parser.parse_known_args(arguments)
    of_this_python = f"packages-{sys.version_info.major}.{sys.version_info.minor}"
    return given.output.resolve() / of_this_python, given.wheels


def _provide(folder: Path, wheels: Path | None) -> str:
    """Let this process and all that it starts find what is missing in a folder, which is filled
    from wheels where that is not enough. Returns: what pip said, if it failed."""
    said = ""
    if _complaints():
        _look_in(folder)
    if _complaints() and wheels is not None:
        said = _install(folder, wheels)
        _look_in(folder)
    return said


def _look_in(folder: Path) -> None:
    if folder.exists() and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    importlib.invalidate_caches()


def _install(folder: Path, wheels: Path) -> str:
    """Install all of them, without a network and without asking what each one needs besides."""
    found = sorted(map(str, wheels.glob("*.whl")))
    if not found:
        return f"there are no wheels in {wheels}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--upgrade", "--target", str(folder), *found],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"pip says of {wheels}: {done.stderr.strip()}"


def _advice() -> str:
    needed = " ".join(f"'{name}>={oldest}'" if oldest else name for name, oldest in NEEDED.items())
    return (
        f"Install it:  {sys.executable} -m pip install {needed}\n"
        f"Without a network, where there is one:  python -m pip download --dest FOLDER pydantic …\n"
        "and here:  make gpu-check SETTINGS='--wheels FOLDER'\n"
        "Or choose another Python:  make gpu-check PYTHON=…"
    )


def _complaints() -> list[str]:
    return [complaint for name in NEEDED if (complaint := _complaint(name))]


def _complaint(name: str) -> str:
    oldest = NEEDED[name]
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"it has no {name}"
    return f"its {name} is {found}, {oldest} is needed" if _key(found) < _key(oldest) else ""


def _key(text: str) -> tuple[int, ...]:
    """Major and minor of a version."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


if __name__ == "__main__":
    main()

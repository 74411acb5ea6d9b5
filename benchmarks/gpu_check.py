"""Everything that only a GPU can show, in one resumable script:  make gpu-check

Works with the torch and transformers of the Python that runs it; besides those it needs pydantic,
numpy, scipy, pillow and requests, and nothing of this project installed. Without nvidia-ml-py there
is no telemetry and no energy, and the records say so. Each call ends after
`--minutes`; call it again until it prints the table. What its folder holds is not measured again.

    instruments.json   the harness beside other instruments
    first, second      all models, batch 1, 4, 16, mode default: the same run twice
    graphs-1, -2       reduce-overhead for what `first` shows to be launch-bound, twice
    modes              the other compile modes, on two models
    precisions         every precision, on two models
    tf32-autotune      TF32 with max-autotune, on two models

An instrument that fails is written down as such, and the rest goes on.

The folders are run folders: `python orchestrate.py report FOLDER` makes their pages.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Final

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
    complaints = [complaint for name in NEEDED if (complaint := _complaint(name))]
    if complaints:
        print(f"{sys.executable} cannot run this check: {'; '.join(complaints)}", file=sys.stderr)
        print("Choose another Python:  make gpu-check PYTHON=…", file=sys.stderr)
        sys.exit(2)
    from benchmarks import gpu_runs

    gpu_runs.main(__doc__ or "")


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

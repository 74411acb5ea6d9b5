"""Writes the lock of one build of PyTorch, with hashes: make lock-torch TORCH=2.13.0 [INDEX=URL].

Two files, because a build for the CPU brings none of the libraries of one for a GPU, and pip can
only install all of a file:

    torch-VERSION[-INDEX'S NAME].txt             torch itself, each of its wheels by its hash
    torch-VERSION[-INDEX'S NAME]-libraries.txt   what its builds for a GPU bring: CUDA, Triton

What else torch needs is in harness.txt. Hashes that a file already has for this version stay in it:
releases are never changed, and PyPI's lock also holds the builds for the CPU of PyTorch's own
index, which cannot be reached from everywhere.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
UV: Final = Path(sys.executable).parent / "uv"
CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
_ENTRY: Final = re.compile(r"^(?P<name>[a-z0-9._-]+)==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_HASH: Final = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_OF_A_GPU: Final = re.compile(r"(nvidia|cuda|triton|pytorch-triton)(-|$)")


def main() -> None:
    """Resolve, and write both files; ends with a sentence where a hash is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("version", help="of torch: 2.14.1")
    parser.add_argument("index", nargs="?", default="", help="of its wheels; none means PyPI")
    parser.add_argument("--to", type=Path, default=HERE, help="the folder of the locks")
    given = parser.parse_args()
    torch, libraries = split(resolve(f"torch=={given.version}", given.index))
    path = given.to / f"{lock_name(given.version, given.index)}.txt"
    hashes = set(_HASH.findall(torch)) | known(path)
    if not given.index:
        hashes |= of_the_cpu(given.version)
    path.write_text(_torch(given.version, given.index, hashes), encoding="utf-8")
    beside = path.with_name(f"{path.stem}-libraries.txt")
    heading = f"# What torch {given.version} for a GPU brings; written with {path.name}.\n"
    beside.write_text(heading + "".join(libraries), encoding="utf-8")
    print(f"{path.name}: {len(hashes)} wheels; {beside.name}: {len(libraries)} packages")


def lock_name(version: str, index: str) -> str:
    """How the lock of a build is called: the Dockerfile looks for this name."""
    tag = index.rstrip("/").rpartition("/")[2]
    return f"torch-{version}-{tag}" if tag else f"torch-{version}"


def resolve(requirement: str, index: str) -> dict[str, str]:
    """Every package that a requirement brings, by name: its lines in a lock, hashes included."""
    options = ("--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet")
    done = subprocess.run(
        [UV, "pip", "compile", *options, "--python-version", "3.11",
         *(("--index-url", index) if index else ()), "-"],
        input=requirement, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = " ".join(done.stderr.split())[:300]
        sys.exit(f"{requirement} was not found at {index or 'PyPI'}: {reason}")
    entries: dict[str, str] = {}
    for entry in _ENTRY.finditer(done.stdout):
        entries[entry["name"]] = entries.get(entry["name"], "") + entry[0]
    for name, lines in entries.items():
        if not _HASH.search(lines):
            sys.exit(f"{index or 'PyPI'} tells no hash of {name}: nothing was written")
    return entries


def split(entries: dict[str, str]) -> tuple[str, list[str]]:
    """torch itself, and what only its builds for a GPU bring; the rest must be in harness.txt."""
    harness = (HERE / "harness.txt").read_text(encoding="utf-8")
    locked = {entry["name"] for entry in _ENTRY.finditer(harness)}
    libraries = {name: lines for name, lines in entries.items() if _OF_A_GPU.match(name)}
    if missing := sorted(entries.keys() - libraries.keys() - locked - {"torch"}):
        sys.exit(f"torch needs {', '.join(missing)}, too: add it to harness.in and make lock")
    return entries["torch"], list(libraries.values())


def known(path: Path) -> set[str]:
    """The hashes that a lock has already."""
    return set(_HASH.findall(path.read_text(encoding="utf-8"))) if path.exists() else set()


def of_the_cpu(version: str) -> set[str]:
    """Those of the builds for the CPU on PyTorch's index; none, and a word, out of its reach."""
    try:
        return set(_HASH.findall(resolve(f"torch=={version}+cpu", CPU_INDEX)["torch"]))
    except SystemExit as reason:
        print(f"Without new builds for the CPU: {reason}", file=sys.stderr)
        return set()


def _torch(version: str, index: str, hashes: set[str]) -> str:
    builds = f"its builds at {index}" if index else f"its builds at PyPI, and at {CPU_INDEX}"
    again = f"make lock-torch TORCH={version}{f' INDEX={index}' if index else ''}"
    lines = [f"torch=={version}", *(f"    --hash={each}" for each in sorted(hashes))]
    return f"# torch {version}: {builds}.\n# Written by: {again}\n" + " \\\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

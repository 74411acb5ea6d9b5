"""Builds the fake libraries for the torch of the running interpreter, once, into a cache.

g++ (with the binutils it brings) is all that is needed: the headers are those of NVIDIA's packages,
which the CUDA build of torch depends on, and `sources/shadow` stands in for the three that only a
CUDA toolkit has. The cache is known by everything that goes into it, so that nothing stale is used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.fake_gpu import generated

HERE: Final = Path(__file__).parent
SOURCES: Final = HERE / "sources"
CACHE: Final = Path("torch-compile-vision-benchmark") / "fake-gpu"
COMPILE: Final = ("-std=c++17", "-O1", "-fPIC", "-Wall", "-Wextra", "-D_GNU_SOURCE")
# The host that runs tests has two cores.
PARALLEL: Final = 2
CORE: Final = "libfakegpu.so"


class BuildError(Exception):
    """The fake GPU cannot be built here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library: its file name, how its sources' names begin, and the folder that it goes into.

    `stands_for` is the library whose functions get stubs where no source defines them, by the name
    in `generated.REFUSALS`.
    """

    name: str
    sources: str
    folder: str = "lib"
    stands_for: str = ""
    versioned: bool = True


LIBRARIES: Final = (
    Library(CORE, "core_", versioned=False),
    Library("libcuda.so.1", "driver_", stands_for="libcuda", versioned=False),
    Library("libcudart.so.13", "cudart_", stands_for="libcudart"),
    Library("libcublas.so.13", "cublas.", stands_for="libcublas"),
    Library("libcublasLt.so.13", "cublaslt.", stands_for="libcublasLt"),
    Library("libcudnn.so.9", "cudnn_", stands_for="libcudnn"),
    Library("libcupti.so.13", "cupti", stands_for="libcupti"),
    # In a folder of its own, because a machine without NVML is one of the troubles to stage.
    Library(
        "libnvidia-ml.so.1", "nvml.", folder="nvml", stands_for="libnvidia-ml", versioned=False
    ),
)


@cache
def build() -> Path:
    """The folder with `lib`, `nvml` and `bin`, built now if it is not there yet.

    Raises: BuildError where torch is no CUDA build, or where g++ is missing or fails.
    """
    site = site_packages()
    _check(site)
    finished = _cache() / _key(site)
    if not finished.is_dir():
        _build_aside(site, finished)
    return finished


def site_packages() -> Path:
    """Where the running interpreter's packages lie."""
    return Path(sysconfig.get_paths()["purelib"])


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / CACHE


def _check(site: Path) -> None:
    if not (site / "nvidia/cu13/include/cuda_runtime_api.h").is_file():
        raise BuildError(f"{site} has no torch for CUDA 13: pip install torch brings one on Linux")
    if shutil.which("g++") is None:
        raise BuildError("g++ is missing, which builds the fake GPU: apt-get install g++")


def _key(site: Path) -> str:
    """A name for all that the result depends on."""
    digest = hashlib.sha256()
    files = (*sorted(SOURCES.rglob("*.*")), HERE / "build.py", HERE / "generated.py")
    for file in files:
        if file.is_file():
            digest.update(f"{file.relative_to(HERE)}\0".encode() + file.read_bytes())
    digest.update((site / "torch/version.py").read_bytes())
    for package in sorted(site.glob("nvidia_*.dist-info")):
        digest.update(package.name.encode())
    digest.update(_run("g++", "--version").encode())
    return digest.hexdigest()[:16]


def _build_aside(site: Path, finished: Path) -> None:
    """Build where nobody looks and rename it into place; the second to come throws his away."""
    finished.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=finished.parent) as name:
        made = Path(name) / "made"
        _build_into(site, made, Path(name))
        try:
            made.rename(finished)
        except OSError:
            if not finished.is_dir():
                raise


def _build_into(site: Path, made: Path, work: Path) -> None:
    generated.write_callback_names(site, work)
    wanted = generated.wanted(site)
    with ThreadPoolExecutor(PARALLEL) as pool:
        sources = sorted(SOURCES.glob("*.cpp"))
        objects = dict(
            zip(sources, pool.map(lambda each: _compile(site, each, work), sources), strict=True)
        )
        of_library = {
            library: [made for source, made in objects.items() if _belongs(source, library)]
            for library in LIBRARIES
        }
        stubbed = [library for library in LIBRARIES if library.stands_for]
        stubs = pool.map(
            lambda each: _compile(site, _stubs(each, of_library[each], wanted, work), work), stubbed
        )
        for library, stub in zip(stubbed, stubs, strict=True):
            of_library[library].append(stub)
    for library in LIBRARIES:
        _link(library, of_library[library], made, work)
    _finish(made, objects[SOURCES / "nvidia_smi.cpp"])


def _belongs(source: Path, library: Library) -> bool:
    return source.name.startswith(library.sources)


def _stubs(
    library: Library, objects: Iterable[Path], wanted: dict[str, set[str]], work: Path
) -> Path:
    """Write the source of what no object of a library defines."""
    names = wanted[library.stands_for] - defined(objects)
    path = work / f"missing_{library.stands_for}.cpp"
    path.write_text(generated.stubs(names, library.stands_for))
    return path


def defined(objects: Iterable[Path]) -> set[str]:
    """The functions that object files define."""
    listed = _run("nm", "--defined-only", "--extern-only", "-P", *map(str, objects))
    return {line.split()[0] for line in listed.splitlines() if " T " in line}


def _compile(site: Path, source: Path, work: Path) -> Path:
    includes = (
        f"-I{SOURCES / 'shadow'}",
        f"-I{SOURCES}",
        f"-I{work}",
        f"-isystem{site / 'nvidia/cu13/include'}",
        f"-isystem{site / 'nvidia/cudnn/include'}",
    )
    made = work / f"{source.stem}.o"
    _run("g++", *COMPILE, *includes, "-c", "-o", str(made), str(source))
    return made


def _link(library: Library, objects: Iterable[Path], made: Path, work: Path) -> None:
    """torch asks for symbols with a version, which is the library's own name."""
    folder = made / library.folder
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-shared", f"-Wl,-soname,{library.name}", "-Wl,-rpath,$ORIGIN:$ORIGIN/../lib"]
    if library.versioned:
        versions = work / f"{library.name}.map"
        versions.write_text(f"{library.name} {{ global: *; }};\n")
        options.append(f"-Wl,--version-script={versions}")
    core = [] if library.name == CORE else [str(made / "lib" / CORE)]
    parts = [*map(str, objects), *core, "-ldl", "-lpthread"]
    _run("g++", *options, "-o", str(folder / library.name), *parts)


def _finish(made: Path, nvidia_smi: Path) -> None:
    (made / "lib/libcuda.so").symlink_to("libcuda.so.1")  # what Triton's helper links against
    (made / "bin").mkdir()
    core = str(made / "lib" / CORE)
    command = str(made / "bin/nvidia-smi")
    _run("g++", "-o", command, str(nvidia_smi), core, "-Wl,-rpath,$ORIGIN/../lib")


@cache
def _tools() -> dict[str, str]:
    """The environment of the compiler: no fake library is loaded into it, and no folder of headers
    is found by it that is not named here, such as a CUDA toolkit's."""
    meddling = {"LD_PRELOAD", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH"}
    kept = {name: value for name, value in os.environ.items() if name not in meddling}
    return kept | {"LC_ALL": "C"}


def _run(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=_tools(), timeout=300
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)} failed: {done.stderr.strip()[-4000:]}")
    return done.stdout

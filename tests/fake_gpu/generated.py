"""The parts of the fake libraries that are generated: stubs and the names of API functions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# With which status a function refuses that the fake lacks: "not supported" in each library's words.
REFUSALS: Final = {
    "libcudart": 801,
    "libcuda": 801,
    "libcublas": 15,
    "libcublasLt": 15,
    "libcudnn": 3000,
    "libcupti": 37,
    "libnvidia-ml": 3,
}
# Who imports functions of these libraries. cuBLAS is cuSOLVER's as well.
IMPORTERS: Final = (
    "torch/lib/libtorch_cuda.so",
    "torch/lib/libc10_cuda.so",
    "torch/lib/libtorch_python.so",
    "torch/lib/libcaffe2_nvrtc.so",
    "torch/lib/libtorch_cuda_linalg.so",
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libtorch_nvshmem.so",
    "nvidia/cu13/lib/libcusolver.so.12",
)
# Functions of the driver have no version; cuFile and cuSPARSE are other libraries.
_OF_DRIVER: Final = re.compile(r"cu[A-Z](?!File)\w+")


def wanted(site: Path) -> dict[str, set[str]]:
    """For each library the functions that somebody imports or may look up in it."""
    names: dict[str, set[str]] = {library: set() for library in REFUSALS}
    for importer in IMPORTERS:
        for symbol in _undefined(site / importer):
            name, _, version = symbol.partition("@")
            library = version.strip("@").partition(".so")[0]
            if library in names:
                names[library].add(name)
            elif not version and _OF_DRIVER.fullmatch(name) and not name.startswith("cuFile"):
                names["libcuda"].add(name)
    names["libcuda"] |= _declared_by_driver((site / "nvidia/cu13/include/cuda.h").read_text())
    names["libnvidia-ml"] |= _asked_by_python(site / "pynvml.py")
    return names


def _undefined(library: Path) -> Iterable[str]:
    if not library.is_file():
        return ()
    listed = subprocess.run(
        ["nm", "--dynamic", "--undefined-only", "--with-symbol-versions", library],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [line.split()[-1] for line in listed.stdout.splitlines() if line.strip()]


def _declared_by_driver(header: str) -> set[str]:
    """The driver's functions, under the newest name of each: macros turn cuCtxCreate into _v4."""
    declared = set(re.findall(r"^CUresult CUDAAPI (cu\w+)\(", header, re.MULTILINE))
    newest = dict(re.findall(r"#\s*define (cu\w+)\s+(cu\w+_v\d)\b", header))
    return {newest.get(name, name) for name in declared}


def _asked_by_python(pynvml: Path) -> set[str]:
    if not pynvml.is_file():
        return set()
    text = pynvml.read_text(encoding="utf-8")
    return set(re.findall(r'_nvmlGetFunctionPointer\("(nvml\w+)"\)', text))


def stubs(names: Iterable[str], library: str) -> str:
    """C++ that defines functions which say their name and refuse."""
    lines = ["namespace fake {", "void missing(const char* name);", "}", 'extern "C" {']
    for name in sorted(names):
        lines.append(f"int {name}() {{")
        lines.append(f'  fake::missing("{name}");')
        lines.append(f"  return {REFUSALS[library]};")
        lines.append("}")
    return "\n".join([*lines, "}", ""])


def write_callback_names(site: Path, work: Path) -> None:
    """Write callback_names.h: the API functions' names by the numbers that CUPTI gives them."""
    parts = ["#pragma once", "#include <cstdint>", "#include <map>"]
    for kind in ("runtime", "driver"):
        header = (site / f"nvidia/cu13/include/cupti_{kind}_cbid.h").read_text()
        pattern = rf"CUPTI_{kind.upper()}_TRACE_CBID_(\w+)\s*=\s*(\d+)"
        rows = [
            f'  {{{number}, "{name}"}},'
            for name, number in re.findall(pattern, header)
            if name not in {"INVALID", "SIZE"}
        ]
        parts.append(f"inline const std::map<uint32_t, const char*>& {kind}_names() {{")
        parts.append("  static const auto* names = new std::map<uint32_t, const char*>{")
        parts += [*rows, "  };", "  return *names;", "}"]
    (work / "callback_names.h").write_text("\n".join([*parts, ""]))

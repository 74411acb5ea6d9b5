"""Which GPUs of this machine host "local" measures on: those that CUDA_VISIBLE_DEVICES names, as
schedulers and users set it, or the first one.

Found out without torch, whose loading takes seconds.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.contract.visible_gpus import VARIABLE, hides_every_gpu
from orchestrator import wording
from orchestrator.errors import NoHostError, UsageError
from orchestrator.hosts.container import Lane

# What to do about GPUs that cannot share the cases, and about one that is named twice.
ONE_KIND: Final = f"Name GPUs of one kind in {VARIABLE}, and measure the others in another run."
NAME_ONCE: Final = f"Name each GPU once in {VARIABLE}."
_KINDS: Final = (r"[0-9]{1,4}", r"GPU-[0-9A-Za-z-]+", r"MIG-[0-9A-Za-z/-]+")
_END: Final = re.compile(r"-[0-9]+")
_GPU: Final = re.compile(r"GPU (\d+): (.*) \(UUID: (GPU-[^)]+)\)")
_PART: Final = re.compile(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)")
_LIMIT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Listed:
    """One GPU that the driver lists; `parts` are the UUIDs of its MIG instances."""

    index: str
    name: str
    uuid: str
    parts: tuple[str, ...] = ()

    def answers_to(self, entry: str) -> bool:
        """Whether CUDA takes an entry for this GPU or a part of it; a UUID may be abbreviated."""
        uuids = (self.uuid, *self.parts)
        return entry == self.index or any(uuid.startswith(entry) for uuid in uuids)


def named(environment: Mapping[str, str] = os.environ) -> tuple[str, ...] | None:
    """The entries of CUDA_VISIBLE_DEVICES, as they are written.

    Returns: None where it is not set; nothing where it hides every GPU. A negative number ends the
    list, as CUDA documents it.

    Raises: UsageError: CUDA would silently see fewer GPUs than are named, or none.
    """
    text = environment.get(VARIABLE)
    if text is None:
        return None
    if hides_every_gpu(text):
        return ()
    entries: list[str] = []
    for entry in map(str.strip, text.removesuffix(",").split(",")):
        if _END.fullmatch(entry):
            break
        _require_readable(entry, entries, text)
        entries.append(entry)
    return tuple(entries)


def as_typed(environment: Mapping[str, str] = os.environ) -> str:
    """What precedes a command that is to see the same GPUs; empty where nobody chose."""
    text = environment.get(VARIABLE)
    return "" if text is None else f"{VARIABLE}={shlex.quote(text)} "


def _require_readable(entry: str, before: Sequence[str], text: str) -> None:
    """Raises: UsageError: CUDA stops reading at this entry, or sees none because of it."""
    what = f"{VARIABLE}={wording.cut(wording.one_line(text), 200)}"
    kind = _kind(entry)
    if kind is None:
        raise UsageError(
            f'{what} names "{wording.cut(wording.one_line(entry), 60)}", which is no GPU, and CUDA '
            "would see none from there on",
            "Name GPUs by index, as in 0,1, or by UUID, as nvidia-smi -L lists them.",
        )
    if any(_kind(other) != kind for other in before):
        raise UsageError(
            f"{what} mixes indices, UUIDs of GPUs and UUIDs of MIG instances, and CUDA would see "
            "those of the first sort alone",
            "Name all of them in the same way.",
        )
    if any(_same(entry, other) for other in before):
        raise UsageError(f"{what} names {entry} twice, and CUDA would see no GPU at all", NAME_ONCE)


def _kind(entry: str) -> str | None:
    return next((kind for kind in _KINDS if re.fullmatch(kind, entry)), None)


def _same(entry: str, other: str) -> bool:
    return int(entry) == int(other) if entry.isdigit() else entry == other


def listed() -> tuple[Listed, ...]:
    """The GPUs that the NVIDIA driver lists; nothing where there is none, or it does not answer.

    It is asked once: an answer takes seconds where nothing keeps the driver awake.
    """
    return _listed(os.environ.get("PATH", "")) or ()


@functools.lru_cache(maxsize=1)
def _listed(_path: str) -> tuple[Listed, ...] | None:
    """None where nvidia-smi is missing or fails, which says nothing of what CUDA can use."""
    if shutil.which("nvidia-smi") is None:
        return None
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, check=False, timeout=_LIMIT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return read(done.stdout.decode(errors="replace")) if done.returncode == 0 else None


def read(text: str) -> tuple[Listed, ...]:
    """What `nvidia-smi -L` printed."""
    found: list[Listed] = []
    for line in text.splitlines():
        if gpu := _GPU.fullmatch(line.strip()):
            found.append(Listed(gpu[1], gpu[2], gpu[3]))
        elif (part := _PART.fullmatch(line)) and found:
            found[-1] = replace(found[-1], parts=(*found[-1].parts, part[1]))
    return tuple(found)


def lanes() -> tuple[Lane, ...]:
    """A lane for each GPU that shares the cases; a single one, with what CUDA sees first, for all
    else. Raises: UsageError."""
    entries = named() or ()
    if len(entries) < 2:
        return (Lane(None),)
    return tuple(Lane(entry, index, len(entries)) for index, entry in enumerate(entries))


def count() -> int:
    """On how many GPUs the cases are spread; 0 for the CPU. Raises: UsageError."""
    entries = named()
    if entries is None or len(entries) == 1:
        return int(bool(listed()))
    return len(entries)


def require_there() -> None:
    """Raises: UsageError; NoHostError: the driver lists GPUs, and not all that are named, so that
    CUDA would see fewer, or those that are named differ, and so cannot share the cases."""
    entries = named() or ()
    there = _listed(os.environ.get("PATH", "")) if entries else None
    if there is None:
        return  # whoever is to measure will see
    if not there and len(entries) == 1:
        return  # it may be set wherever this user works: the CPU is measured, and the page says so
    _require_listed(entries, there)
    kinds = {gpu.name for gpu in there for entry in entries if gpu.answers_to(entry)}
    if len(kinds) > 1:
        raise NoHostError(
            f"{VARIABLE} names GPUs that differ ({wording.listed(sorted(kinds))}), so they cannot "
            "share the cases of one host",
            ONE_KIND,
        )


def _require_listed(entries: Sequence[str], there: Sequence[Listed]) -> None:
    absent = [entry for entry in entries if not any(gpu.answers_to(entry) for gpu in there)]
    if absent:
        indices = wording.listed([f"GPU {gpu.index}" for gpu in there]) or "none"
        raise NoHostError(
            f"{VARIABLE} names GPU {wording.listed(absent)}, which this machine does not have; "
            f"there is {indices}",
            f"nvidia-smi -L lists them; without {VARIABLE} the first one is measured.",
        )


def hint(there: Sequence[Listed] | None = None) -> str:
    """That further GPUs stay idle, and how they can share the cases; empty where none do, or where
    somebody has chosen. Nobody expects a benchmark to take all GPUs of a shared machine."""
    if named() is not None:
        return ""
    there = listed() if there is None else there
    if len(there) < 2:
        return ""
    if len({gpu.name for gpu in there}) > 1:
        return (
            f"This machine has {len(there)} GPUs of different kinds, and the first alone is "
            f"measured; those of one kind that {VARIABLE} names share the cases"
        )
    every = ",".join(gpu.index for gpu in there)
    return (
        f"This machine has {len(there)} GPUs, and the first alone is measured; to let them share "
        f"the cases:  {VARIABLE}={every} python orchestrate.py …"
    )

"""What a process holds at one moment: memory, threads, processes below, files, sockets."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Station:
    """What a process holds at one moment."""

    share: float
    resident_mb: float
    threads: int
    descendants: int
    open_files: int
    sockets: int
    temporary: int

    def __str__(self) -> str:
        return (
            f"{self.share:5.0%} {self.resident_mb:6.0f} MB, {self.threads} threads, "
            f"{self.descendants} processes below, {self.open_files} open files, "
            f"{self.sockets} sockets, {self.temporary} temporary files"
        )


def station(share: float, process: int, temporary: Path) -> Station:
    proc = Path("/proc") / str(process)
    links = []
    for link in (proc / "fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(link.readlink()))
    return Station(
        share,
        int((proc / "statm").read_text().split()[1]) * _PAGE / 1e6,
        len(list((proc / "task").iterdir())),
        len(descendants(process)),
        len(links),
        sum(link.startswith("socket:") for link in links),
        sum(1 for _ in temporary.rglob("*")),
    )


def descendants(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found

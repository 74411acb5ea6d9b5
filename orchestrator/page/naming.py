"""What hosts, processors and cases are called (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import wording
from orchestrator.compare.comparison import HostSummary, Row


def host_name(
    host: HostSummary, among: Sequence[HostSummary] = (), *, in_headline: bool = False
) -> str:
    """How a host is called: by its processor; with its own name where that is ambiguous.

    A headline shortens long names.
    """
    shorten = wording.brief if in_headline else str
    own = shorten(wording.one_line(host.host))
    if any(row.verdict == "published" for row in host.rows):
        return own
    if not host.gpu:  # it never started: nobody knows its processor
        return own
    gpu = shorten(wording.device(host.gpu))
    same = [other for other in among if other.gpu == host.gpu]
    return f"{gpu} ({own})" if len(same) > 1 else gpu


def case_name(row: Row, *, mode: bool = True, precision: bool = True) -> str:
    """One case in words: "ViT, batch 4, default, float32"."""
    words = [wording.one_line(row.label), f"batch {row.case.batch_size}"]
    words += [row.case.mode] if mode else []
    words += [row.case.precision] if precision else []
    return ", ".join(words)


def processor(row: Row) -> str:
    """What a case ran on; the host's name where it never started."""
    return wording.device(row.gpu) if row.gpu else wording.one_line(row.host)


def title(row: Row) -> str:
    """One case and what it ran on: "ViT, batch 4, default, float32 on T4"."""
    return f"{case_name(row)} on {processor(row)}"

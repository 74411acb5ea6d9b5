"""The names given to --hosts -> hosts."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import UnknownNameError, UsageError

LOCAL = "local"


def resolve(names: Sequence[str]) -> tuple[str, ...]:
    """Check the names given to --hosts.

    Raises: UnknownNameError with what exists; UsageError for an empty list or a name given twice.
    """
    if not names:
        raise UsageError("--hosts names no host", "To measure this machine: --hosts local")
    for name in names:
        if name != LOCAL:
            raise UnknownNameError(
                "host", name, [LOCAL], "To measure another machine, run this command there."
            )
    if len(set(names)) != len(names):
        raise UsageError(f'host "{LOCAL}" is given twice', "Name every host once.")
    return tuple(names)

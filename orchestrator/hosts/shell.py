"""A shell on an engine's machine: for what the engine itself cannot tell."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Final, TypeAlias

from orchestrator.hosts.tunnel import Tunnel
from orchestrator.inventory.addresses import Address

_LIMIT_S: Final = 60.0

Shell: TypeAlias = Callable[[Address, str], str | None]
"""Runs a script by `sh` on an engine's machine; None where there is no way to its shell."""


def shell(address: Address, script: str) -> str | None:
    """Over SSH in a session of its own, or on this machine. Raises: LinkError."""
    match address.scheme:
        case "ssh":
            return Tunnel(address).shell(script, _LIMIT_S)
        case "unix":
            return _here(script)
        case "tcp":
            return None


def _here(script: str) -> str | None:
    try:
        done = subprocess.run(
            ["sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout

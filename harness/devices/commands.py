"""Asks a command of the machine."""

from __future__ import annotations

import subprocess


def first_line(*command: str) -> str | None:
    """The first line of what it prints; None where it is missing, slow or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.splitlines()), None)

"""Which machines the user's SSH configuration knows.

`ssh -G` answers for any name at all, so a name counts as known when its answer differs from the
one for a name that nobody configured. That way Include, Match and patterns all count.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

_NOBODY: Final = "a-name-that-nobody-has-configured"
_LIMIT_S: Final = 15.0
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def knows(name: str) -> bool:
    """Whether the configuration says anything about this name of its own."""
    if not _PLAIN.fullmatch(name):
        return False
    ours, others = _settings(name), _settings(_NOBODY)
    return ours is not None and others is not None and ours != others


def _settings(name: str) -> list[str] | None:
    """The settings for a name, with the name itself blanked; None where ssh cannot tell."""
    try:
        done = subprocess.run(
            ["ssh", "-G", "--", name], capture_output=True, text=True, check=True, timeout=_LIMIT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [
        " ".join("*" if word.lower() == name.lower() else word for word in line.split())
        for line in done.stdout.splitlines()
    ]


def aliases(config: Path | None = None) -> list[str]:
    """The names written out in the configuration, to list and to guess from."""
    path = config or Path.home() / ".ssh" / "config"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    words = [
        word
        for line in text.splitlines()
        if (found := re.match(r"\s*Host[\s=]+(.*)", line, re.IGNORECASE))
        for word in found[1].split()
    ]
    return [word for word in dict.fromkeys(words) if _PLAIN.fullmatch(word)]

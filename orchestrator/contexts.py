"""The Docker contexts of this user, read from the files that `docker context` writes.

The Docker SDK knows contexts, too, but takes a fifth of a second to load and finds none where
`config.json` does not exist (docker-py 7.1). Format: docker/cli, cli/context/store.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.addresses import SOCKET

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Context:
    """One context: the engine's address, and the folder of its TLS files, if it has one."""

    name: str
    url: str
    certificates: str = ""


def read(folder: Path | None = None) -> dict[str, Context]:
    """All contexts by name, `default` among them; what cannot be read is left out."""
    root = folder or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    found = {DEFAULT: Context(DEFAULT, os.environ.get("DOCKER_HOST") or f"unix://{SOCKET}")}
    for path in sorted((root / "contexts" / "meta").glob("*/meta.json")):
        context = _context(path, root / "contexts" / "tls" / path.parent.name / "docker")
        if context is not None:
            found[context.name] = context
    return found


def _context(path: Path, certificates: Path) -> Context | None:
    try:
        meta = json.loads(path.read_bytes())
        name, url = meta["Name"], meta["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(name, str) or not isinstance(url, str):
        return None
    return Context(name, url, str(certificates) if certificates.is_dir() else "")

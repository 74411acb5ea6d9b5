"""The Docker contexts of this user, read from the files that `docker context` writes.

The Docker SDK knows contexts, too, but takes a fifth of a second to load and finds none where
`config.json` does not exist (docker-py 7.1). Format: docker/cli, cli/context/store.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.inventory.addresses import SOCKET

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Context:
    """One context: the engine's address, and the folder of its TLS files, if it has one."""

    name: str
    url: str
    certificates: str = ""


class _DamagedError(Exception):
    """Why a file describes no context."""


def home() -> Path:
    """Where Docker's own client keeps its settings."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def read(folder: Path | None = None) -> dict[str, Context]:
    """All contexts by name, `default` among them; what cannot be read is left out."""
    found = {DEFAULT: Context(DEFAULT, os.environ.get("DOCKER_HOST") or f"unix://{SOCKET}")}
    for path in _files(folder):
        with contextlib.suppress(_DamagedError):
            context = _context(path)
            found[context.name] = context
    return found


def damaged(folder: Path | None = None) -> list[str]:
    """A sentence for each file that should describe a context and does not."""
    sentences = []
    for path in _files(folder):
        try:
            _context(path)
        except _DamagedError as error:
            sentences.append(f"the Docker context in {path} cannot be read: {error}")
    return sentences


def _files(folder: Path | None) -> list[Path]:
    return sorted(((folder or home()) / "contexts" / "meta").glob("*/meta.json"))


def _context(path: Path) -> Context:
    """Raises: _DamagedError."""
    try:
        meta = json.loads(path.read_bytes())
        name, url = meta["Name"], meta["Endpoints"]["docker"]["Host"]
    except OSError as error:
        raise _DamagedError(error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _DamagedError("it is no JSON") from error
    except (KeyError, TypeError) as error:
        raise _DamagedError("it names no Docker endpoint") from error
    if not isinstance(name, str) or not isinstance(url, str):
        raise _DamagedError("it names no Docker endpoint")
    certificates = path.parent.parent.parent / "tls" / path.parent.name / "docker"
    return Context(name, url, str(certificates) if certificates.is_dir() else "")

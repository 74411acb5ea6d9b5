"""Which harness this is. Light to import, so that the desk can ask as well."""

from __future__ import annotations

import hashlib
from pathlib import Path


def revision() -> str:
    """A hash of the harness's own source, so that results of different code can be told apart."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]

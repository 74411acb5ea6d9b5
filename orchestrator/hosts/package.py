"""What a job needs besides its node's Python packages: the harness and the plan, as one archive.

Its name is a hash of its content, so a cluster gets each archive once.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.contract.plan import Plan

PLAN: Final = "plan.json"
_HARNESS: Final = Path(__file__).resolve().parent.parent.parent / "harness"
# The oldest that a zip archive knows: times must not depend on the checkout.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Package:
    """An archive, as Ray wants it called."""

    name: str
    content: bytes


def pack(plan: Plan, harness: Path = _HARNESS) -> Package:
    """Pack the harness and a plan, whichever cases of it are still to be measured."""
    whole = plan.model_copy(update={"skip": ()})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(harness.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                name = f"harness/{path.relative_to(harness).as_posix()}"
                archive.writestr(_entry(name), path.read_bytes())
        archive.writestr(_entry(PLAN), whole.model_dump_json())
    content = buffer.getvalue()
    return Package(f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:16]}.zip", content)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry

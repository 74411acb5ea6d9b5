"""The image: what it is built from, its content hash, and where it comes from (no Docker here)."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from harness.revision import revision
from harness.vocabulary import SCHEMA_VERSION
from orchestrator.errors import UnknownNameError, UsageError

REPOSITORY: Final = "torch-compile-benchmark"
# What .dockerignore lets through to `docker build .`
PARTS: Final = ("Dockerfile", "harness", "requirements")
ARGUMENTS: Final = ("BASE_IMAGE", "TORCH_VERSION", "TORCH_INDEX")
ROOT: Final = Path(__file__).resolve().parent.parent.parent
_DIGEST: Final = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")

Kind: TypeAlias = Literal["build", "ship", "pull"]


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where hosts get the image: each builds it, one builds it for all, or from a registry."""

    kind: Kind = "build"
    reference: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


def parse_source(text: str, arguments: list[str]) -> ImageSource:
    """Read --image-source and --build-arg. Raises: UsageError."""
    given = dict(map(_argument, arguments))
    if text in ("build", "ship"):
        return ImageSource(text, arguments=given)  # type: ignore[arg-type]
    if not text.startswith("pull:"):
        raise UnknownNameError(
            "image source", text, ["build", "ship"], "Or pull:REFERENCE@sha256:DIGEST."
        )
    if given:
        raise UsageError("--build-arg means nothing to an image that is pulled", "Leave it out.")
    reference = text.removeprefix("pull:")
    if not _DIGEST.fullmatch(reference):
        raise UsageError(
            f'"{reference}" does not pin an image by its digest',
            "Write pull:REFERENCE@sha256:DIGEST, so that every host gets the same one.",
        )
    return ImageSource("pull", reference)


def _argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f'--build-arg "{text}" has no value', "Write NAME=VALUE.")
    if name not in ARGUMENTS:
        raise UnknownNameError("build argument", name, ARGUMENTS)
    return name, value


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that determines an image: the context as a tar archive, and the build arguments."""

    context: bytes
    arguments: Mapping[str, str]
    tag: str


def recipe(arguments: Mapping[str, str], root: Path = ROOT) -> Recipe:
    """Pack the context. The same content gives the same tag on every machine."""
    context = _pack(root)
    everything = {
        **arguments,
        "SOURCE_REVISION": revision(),
        "SCHEMA_VERSION": str(SCHEMA_VERSION),
    }
    digest = hashlib.sha256(context)
    digest.update(repr(sorted(everything.items())).encode())
    return Recipe(context, everything, f"{REPOSITORY}:{digest.hexdigest()[:16]}")


def _pack(root: Path) -> bytes:
    """A tar of the parts; neither times nor owners nor order depend on the checkout."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_files(root)):
            entry = tarfile.TarInfo(path.relative_to(root).as_posix())
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return buffer.getvalue()


def _files(root: Path) -> list[Path]:
    files = [root / "Dockerfile"]
    for part in PARTS[1:]:
        files += [path for path in (root / part).rglob("*") if path.is_file()]
    return [path for path in files if "__pycache__" not in path.parts and path.suffix != ".pyc"]

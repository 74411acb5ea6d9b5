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

from harness.contract.revision import revision
from harness.contract.vocabulary import SCHEMA_VERSION
from orchestrator.diagnosis import torch_builds
from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.hosts import container

REPOSITORY: Final = "torch-compile-benchmark"
# What .dockerignore lets through to `docker build .`
PARTS: Final = ("Dockerfile", "harness", "requirements")
ARGUMENTS: Final = ("BASE_IMAGE", "TORCH_VERSION", "TORCH_INDEX")
ROOT: Final = Path(__file__).resolve().parent.parent.parent
REVISION_LABEL: Final = "org.opencontainers.image.revision"
LOCK_LABEL: Final = "torch-compile-benchmark.torch-lock"
STRANGE: Final = "what bears its name holds another harness"
# PEP 440, as far as releases of PyTorch go; a URL of an index; whatever `docker pull` takes.
_VALUES: Final = {
    "TORCH_VERSION": (r"\d+\.\d+(\.\d+)?((a|b|rc|\.dev|\.post)\d+)*(\+[a-z0-9.]+)?", "2.14.1"),
    "TORCH_INDEX": (r"(https?://\S+)?", "https://download.pytorch.org/whl/cu126, or nothing"),
    "BASE_IMAGE": (r"[a-zA-Z0-9][\w.:/@-]*", "nvidia/cuda:12.6.3-base-ubuntu24.04@sha256:…"),
}
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
    pattern, example = _VALUES[name]
    if not re.fullmatch(pattern, value):
        raise UsageError(
            f'--build-arg {name}: "{value[:60]}" is not possible', f"Write, for example: {example}"
        )
    if re.match(r"https?://[^/\s]*@", value):
        raise UsageError(
            f"--build-arg {name} holds a password, which the image and its labels would keep",
            "Let a BASE_IMAGE of your own have it in its pip configuration.",
        )
    return name, value


def is_ours(labels: Mapping[str, str]) -> bool:
    """Whether an image holds this very harness. A name proves nothing: anybody can give it."""
    wanted = {REVISION_LABEL: revision(), container.SCHEMA: str(SCHEMA_VERSION)}
    return all(labels.get(label) == value for label, value in wanted.items())


def misfit(labels: Mapping[str, str]) -> str:
    """Why an image of a registry, of whatever revision, cannot be used; empty if it can."""
    schema = labels.get(container.SCHEMA)
    if schema is None:
        return "it holds no harness: it lacks the label " + container.SCHEMA
    if schema != str(SCHEMA_VERSION):
        return f"its harness speaks version {schema[:20]} of the records, not {SCHEMA_VERSION}"
    return ""


@dataclass(frozen=True, slots=True)
class BuildInput:
    """All that determines an image: the context as a tar archive, and the build arguments."""

    context: bytes
    arguments: Mapping[str, str]
    tag: str


def build_input(arguments: Mapping[str, str], root: Path = ROOT) -> BuildInput:
    """Pack the context. The same content gives the same tag on every machine."""
    context = _pack(root)
    everything = {
        **arguments,
        "SOURCE_REVISION": revision(),
        "SCHEMA_VERSION": str(SCHEMA_VERSION),
        "TORCH_LOCK": torch_lock(arguments, root) or "none",
    }
    digest = hashlib.sha256(context)
    digest.update(repr(sorted(everything.items())).encode())
    return BuildInput(context, everything, f"{REPOSITORY}:{digest.hexdigest()[:16]}")


def torch_lock(arguments: Mapping[str, str], root: Path = ROOT) -> str:
    """The file of hashes that an image's PyTorch is held against; empty where there is none."""
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")
    name = torch_builds.lock_of_image(arguments, dockerfile)
    return name if (root / "requirements" / name).is_file() else ""


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

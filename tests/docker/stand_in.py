"""A tiny image that stands in for the real one: it speaks the record protocol and misbehaves.

What it does is a list of steps. Bytes are written to standard output and kept; a `Do` is shell
run in the same process. So a test says in a line what goes wrong, and after which record.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from docker import DockerClient

from orchestrator.hosts import container
from tests.fake_engine import ours


@dataclass(frozen=True, slots=True)
class Do:
    """A step that is a piece of shell."""

    shell: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that the engine loses: the harness has said it, and keeps it."""

    line: bytes


Step: TypeAlias = bytes | Do | Dropped

HANG: Final = Do("while :; do sleep 3600; done")
OUT_OF_MEMORY: Final = Do("all=x; while :; do all=$all$all; done")
# Until a test opens it (inside.Gate), or for a minute.
GATE: Final = Do("n=0; until [ -e /tmp/go ] || [ $n = 600 ]; do sleep 0.1; n=$((n + 1)); done")
FILL_TMP: Final = Do("dd if=/dev/zero of=/tmp/full bs=1M || exit 28")
_REPLAY: Final = f"""\
#!/bin/sh
for step in /steps/*; do
  case $step in
    *.sh) . "$step" ;;
    *.dropped) cat "$step" >> {container.COPY} ;;
    *) cat "$step" >> {container.COPY}; cat "$step"; sleep "$PACE_S" ;;
  esac
done
"""


def leave(code: int) -> Do:
    """End early with an exit code."""
    return Do(f"exit {code}")


def say_on_stderr(text: str) -> Do:
    return Do(f"echo '{text}' >&2")


def steps_of(stream: bytes) -> list[Step]:
    """A stream of records as steps, one a line."""
    return list(stream.splitlines(keepends=True))


def load(
    client: DockerClient,
    tag: str,
    steps: Iterable[Step],
    *,
    pace_s: float = 0.0,
    labels: Mapping[str, str] | None = None,
) -> str:
    """Put the image on an engine under `repository:tag`; returns its id.

    `pace_s` is slept after every step of bytes; its labels are those of the real image, unless
    others are given.
    """
    repository, _, name = tag.rpartition(":")
    given = ours() if labels is None else labels
    changes = [
        'ENTRYPOINT ["/bin/sh", "/replay"]',
        f"ENV PACE_S={pace_s}",
        "ENV PATH=/bin",
        "USER 10001:10001",
        *(f'LABEL {key}="{value}"' for key, value in given.items()),
    ]
    client.api.import_image_from_data(
        _tar(list(steps)), repository=repository, tag=name, changes=changes
    )
    return str(client.images.get(tag).id)


def _tar(steps: Sequence[Step]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        busybox = shutil.which("busybox")
        assert busybox is not None
        _add(archive, "bin/busybox", Path(busybox).read_bytes())
        for applet in ("sh", "cat", "cut", "sleep", "dd", "kill", "id", "env", "ls", "tr"):
            _link(archive, f"bin/{applet}")
        _add(archive, "replay", _REPLAY.encode())
        _folder(archive, "tmp", 0o1777)
        for number, step in enumerate(steps):
            match step:
                case bytes():
                    _add(archive, f"steps/{number:06}", step)
                case Dropped(line):
                    _add(archive, f"steps/{number:06}.dropped", line)
                case Do(shell):
                    _add(archive, f"steps/{number:06}.sh", f"{shell}\n".encode())
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755
    archive.addfile(entry, io.BytesIO(content))


def _link(archive: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
    archive.addfile(entry)


def _folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)

"""The base that stands in for CUDA's: this machine's Debian, made by mmdebstrap, with pip and apt
set up as they are here.

It is kept outside the checkout and made again when this code, the release or those settings change.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docker import DockerClient

from tests.docker import surroundings

REPOSITORY: Final = "test-base"
# Checkouts side by side may each have a state of their own.
KEPT: Final = 4
_CACHE: Final = "torch-compile-vision-benchmark/docker-tests"
_MAKERS: Final = ("base_image.py", "surroundings.py")


def cache() -> Path:
    """Where images are kept between runs, as the XDG base directory specification has it."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home, _CACHE)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def load(client: DockerClient) -> str:
    """Put the base on an engine that may lack it; returns its tag."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        name = _describe(root)
        tag = f"{REPOSITORY}:{name}"
        if client.images.list(name=tag):
            return tag
        archive = _obtain(name, root)
    client.api.import_image_from_file(
        str(archive), repository=REPOSITORY, tag=name, changes=surroundings.proxies()
    )
    return tag


def prepare() -> None:
    """Write the base's files beforehand: that takes a minute, and no engine."""
    with tempfile.TemporaryDirectory() as folder, alone():
        _obtain(_describe(Path(folder)), Path(folder))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One test run at a time."""
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _describe(root: Path) -> str:
    """Write what is of this machine in the base; returns the name of the whole."""
    surroundings.here().write(root)
    return _fingerprint(root)


def _obtain(name: str, root: Path) -> Path:
    archive = cache() / f"base-{name}.tar"
    if not archive.exists():
        _make(archive, root)
        for old in sorted(cache().glob("base-*.tar"), key=_age)[:-KEPT]:
            old.unlink()
    return archive


def _fingerprint(root: Path) -> str:
    """Of all that goes into the base, but for new versions of Debian's packages."""
    makers = [Path(__file__).with_name(name) for name in _MAKERS]
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    digest = hashlib.sha256(_suite().encode())
    for path in (*makers, *files):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(archive: Path, root: Path) -> None:
    """Write the base's files as a tar; the place is taken only by a whole one."""
    unfinished = archive.with_suffix(".unfinished.tar")
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    sources = [path for path in lists if path.suffix in (".list", ".sources") and path.exists()]
    options = sorted(Path("/etc/apt/apt.conf.d").glob("*"))
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=apt"),
            *(f"--aptopt={path}" for path in options),
            f"--customize-hook=sync-in {root} /",
            *(_suite(), str(unfinished), *map(str, sources)),
        ],
        check=True,
        timeout=600,
    )
    unfinished.rename(archive)


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _suite() -> str:
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


if __name__ == "__main__":
    prepare()

"""What this machine needs to reach its package index, read from its own configuration.

It goes into the base image of the tests and nowhere else, so that the Dockerfile stays the one that
users build. It describes one machine: it is cached there and never committed.
"""

from __future__ import annotations

import ast
import contextlib
import http.server
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote

# Where folders of this machine that pip is to search are served while an image is built.
_PORT: Final = 8719
_SHELF: Final = f"http://127.0.0.1:{_PORT}"
_AUTHORITIES: Final = "etc/machine-authorities.crt"
_CONSTRAINTS: Final = "etc/machine-constraints.txt"
_PLACES: Final = ("index-url", "extra-index-url", "find-links")
_KEPT: Final = (*_PLACES, "default-timeout", "trusted-host", "cert", "constraint")
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """pip's settings in force here, by name; a setting may hold several values."""

    pip: dict[str, str]

    def write(self, root: Path) -> None:
        """Write what an image needs under `root`, as if that were `/`."""
        written_already = shutil.ignore_patterns("sources.list*")  # by mmdebstrap
        for folder in ("etc/apt", "usr/share/keyrings"):
            shutil.copytree(Path("/", folder), root / folder, ignore=written_already)
        settings = dict(self.pip)
        for name, file in (("cert", _AUTHORITIES), ("constraint", _CONSTRAINTS)):
            if name in settings:
                shutil.copy(settings[name], root / file)
                settings[name] = f"/{file}"
        for name in _PLACES:
            if name in settings:
                settings[name] = " ".join(map(_on_the_shelf, settings[name].split()))
        lines = (f"{name} = {value}\n" for name, value in settings.items())
        (root / "etc" / "pip.conf").write_text("[global]\n" + "".join(lines))

    def local_folders(self) -> tuple[Path, ...]:
        """The folders that pip reads on this machine; an index lies beside its files."""
        named = [(name, _path(p)) for name in _PLACES for p in self.pip.get(name, "").split()]
        return tuple(path if name == "find-links" else path.parent for name, path in named if path)


def here() -> Surroundings:
    """Ask pip what is in force: files and environment, the latter winning."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    settings: dict[str, str] = {}
    for line in sorted(told.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        if (name := key.rpartition(".")[2]) in _KEPT:
            settings[name] = " ".join(str(ast.literal_eval(value)).split())
    return Surroundings(settings)


def proxies() -> list[str]:
    """This machine's proxies as changes to an imported image."""
    return [
        f"ENV {name}={shlex.quote(os.environ[name])}" for name in _PROXIES if name in os.environ
    ]


@contextlib.contextmanager
def shelf(folders: tuple[Path, ...]) -> Iterator[None]:
    """Serve folders of this machine on loopback, each under its own path."""
    handler = partial(_Handler, folders)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", _PORT), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Lists folders and gives files, of these folders only."""

    def __init__(self, folders: tuple[Path, ...], *arguments: object) -> None:
        self._folders = folders
        super().__init__(*arguments, directory="/")  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        wanted = Path("/", unquote(path.partition("?")[0]).lstrip("/")).resolve()
        allowed = any(wanted.is_relative_to(folder) for folder in self._folders)
        return str(wanted) if allowed else "/nonexistent"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _on_the_shelf(place: str) -> str:
    path = _path(place)
    return place if path is None else f"{_SHELF}{path}/"


def _path(place: str) -> Path | None:
    """The folder that a setting of pip names, unless it is on another machine."""
    if place.startswith("file://"):
        return Path(unquote(place.removeprefix("file://")))
    return Path(place) if place.startswith("/") else None

"""A build of PyTorch is locked from an index, and the Dockerfile installs it by that lock alone.

The index on loopback has wheels of a torch that is not one, so that the build for a GPU, which
brings libraries, costs no gigabytes.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
VERSION = "90.0.0"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""


@dataclass
class Index:
    """A package index in a folder, as pip and uv ask for it."""

    folder: Path
    url: str

    def add(self, name: str, version: str, *needs: str) -> None:
        """A wheel without content."""
        (place := self.folder / name).mkdir(exist_ok=True)
        stem = f"{name.replace('-', '_')}-{version}"
        wheel, info = place / f"{stem}-py3-none-any.whl", f"{stem}.dist-info"
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {need}" for need in needs]
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        address = wheel.name.replace("+", "%2B")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        link = f'<a href="{address}#sha256={digest}">{wheel.name}</a>'
        (place / "index.html").write_text(f"<!DOCTYPE html>{link}")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (folder := tmp_path / "cu999").mkdir()
    handler = functools.partial(Silent, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Index(folder, f"http://127.0.0.1:{server.server_address[1]}/cu999")
        server.shutdown()


def lock(index: Index, folder: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "requirements" / "torch_lock.py"
    return subprocess.run(
        [sys.executable, script, VERSION, index.url, "--to", folder],
        env={**os.environ, "UV_NO_CACHE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def as_the_dockerfile(index: Index, locks: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """Run the step that installs torch, in a virtual environment instead of an image."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (step,) = re.findall(r"^RUN (from=.*)$", text, re.MULTILINE)
    environment = {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "TORCH_VERSION": VERSION,
        "TORCH_INDEX": index.url,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    step = step.replace("/opt/requirements", str(locks)).replace("/tmp/torch", f"{place}/torch")
    return subprocess.run(
        ["sh", "-c", step],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A virtual environment that lends the pip of this one: its own takes seconds to make."""
    venv.create(folder := tmp_path / "venv", with_pip=False)
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {folder}/bin/python "$@"\n')
    pip.chmod(0o755)
    return folder


def test_what_is_locked_is_installed_with_its_libraries(
    index: Index, place: Path, tmp_path: Path
) -> None:
    index.add("torch", f"{VERSION}+cu999", "nvidia-thing==1.0")
    index.add("nvidia-thing", "1.0")
    (locks := tmp_path / "locks").mkdir()
    assert lock(index, locks).stdout.startswith(f"torch-{VERSION}-cu999.txt: 1 wheels")
    done = as_the_dockerfile(index, locks, place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successfully installed nvidia-thing-1.0" in done.stdout
    assert "not verified" not in done.stdout


def test_a_wheel_that_was_exchanged_is_refused(index: Index, place: Path, tmp_path: Path) -> None:
    index.add("torch", f"{VERSION}+cu999")
    assert lock(index, tmp_path).returncode == 0
    index.add("torch", f"{VERSION}+cu999", "something-else")
    done = as_the_dockerfile(index, tmp_path, place)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_a_lock_that_would_verify_nothing_is_not_written(index: Index, tmp_path: Path) -> None:
    index.add("torch", f"{VERSION}+cu999", "mystery")
    index.add("mystery", "1.0")
    done = lock(index, tmp_path)
    assert "torch needs mystery, too: add it to harness.in" in done.stderr
    assert list(tmp_path.glob("torch-*")) == []

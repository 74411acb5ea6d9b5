"""A registry of images on loopback, for engines that share this machine's network."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.docker import stand_in
from tests.docker.engine import Engine
from tests.docker.machine import wait_until
from tests.docker.stand_in import Step

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "{address}"}}
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve for the length of a block. Yields: its address, which engines trust as loopback."""
    address = f"127.0.0.1:{_free_port()}"
    config = folder / "registry.yml"
    config.write_text(_CONFIG.format(folder=folder, address=address))
    log = folder / "registry.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(["docker-registry", "serve", config], stdout=errors, stderr=errors) as run,
    ):
        try:
            wait_until(lambda: _answers(address), "the registry answers", log.read_text)
            yield address
        finally:
            run.terminate()


def push(
    engine: Engine,
    address: str,
    steps: Sequence[Step],
    labels: Mapping[str, str] | None = None,
) -> str:
    """Publish a stand-in, and take it away from the engine. Returns: its reference, by digest."""
    repository = f"{address}/benchmark"
    with contextlib.closing(engine.client()) as client:
        stand_in.load(client, f"{repository}:latest", steps, labels=labels)
        told = list(client.images.push(repository, "latest", stream=True, decode=True))
        (digest,) = [line["aux"]["Digest"] for line in told if "Digest" in line.get("aux", {})]
        client.images.remove(f"{repository}:latest", force=True)
    return f"{repository}@{digest}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(address: str) -> bool:
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False

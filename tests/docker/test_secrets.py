"""Secrets as canaries: a whole run, and then every place where one could have been kept."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import addresses
from orchestrator.hosts.image import ImageSource
from orchestrator.inventory import Machine
from tests.docker import needs, registry, stand_in, trial
from tests.docker.engine import Engine
from tests.docker.trial import PLAN, PRETRAINED, STEPS, UNTIL_THEN, Trial
from tests.integration.loopback_hub import LoopbackHub
from tests.integration.test_pretrained import save

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "hf_" + "CanaryCanaryCanary" * 2
PASSWORD = "canary-of-the-registry"
AUTH = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
CANARIES = (TOKEN, PASSWORD, AUTH)
# A library that prints its token in pieces, and the whole environment of its process.
LEAK = stand_in.Do(
    'read -r token; printf "%s" "$token" | cut -c1-20 | tr -d "\\n" >&2; sleep 0.3; '
    'printf "%s" "$token" | cut -c21- >&2; env >&2; cat /proc/self/environ >&2'
)


def kept(content: bytes) -> list[str]:
    """The canaries that a text holds, as they are or as JSON or base64 would have them."""
    return [
        canary
        for canary in CANARIES
        if canary.encode() in content or base64.b64encode(canary.encode()) in content
    ]


def kept_below(folder: Path) -> dict[str, list[str]]:
    """What is kept by the files of a folder."""
    files = {path: kept(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    assert files
    return {str(path): found for path, found in files.items() if found}


@dataclass
class Seen:
    """Everything that an engine tells of a run's container and image while it is there."""

    engine: Engine
    told: bytes = b""
    logs: bytes = b""

    def look(self) -> None:
        with contextlib.closing(self.engine.client()) as client:
            (made,) = client.containers.list()
            told = [made.attrs, made.image.attrs, made.image.history(), client.info(), made.top()]
            self.told = json.dumps(told).encode() + b"".join(made.image.save())
            self.logs = made.logs()


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user with a token for the Hub and a login for a registry, which is served meanwhile."""
    needs.require("docker-registry")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    docker = tmp_path / "home" / ".docker"
    docker.mkdir(parents=True)
    return docker / "config.json"


def pretrained_steps() -> list[stand_in.Step]:
    """A harness that takes its time over the second case, so that it can be looked at."""
    ids = (PLAN.plan_id.encode(), PRETRAINED.plan_id.encode())
    steps = [step.replace(*ids) if isinstance(step, bytes) else step for step in STEPS]
    return [*steps[: len(UNTIL_THEN)], stand_in.pause(3), *steps[len(UNTIL_THEN) :]]


def test_no_secret_is_kept_by_a_run_with_an_image_of_a_private_registry(
    engine: Engine, credentials: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (place := tmp_path / "registry").mkdir()
    with registry.serving(place) as address:
        credentials.write_text(json.dumps({"auths": {address: {"auth": AUTH}}}))
        reference = registry.push(engine, address, [LEAK, *pretrained_steps()])
        run = Trial.new(
            tmp_path / "reports", [Machine("near", addresses.parse(engine.url), ())], PRETRAINED
        )
        seen = Seen(engine)
        trial.after_the_first_case(run, "near", seen.look)
        run.measure(source=ImageSource("pull", reference))
    assert run.verdicts("near") == ["faster", "faster"]
    log = (run.folder.path / "logs" / "near.1.log").read_bytes()
    assert b"***" in log  # the library did print it
    assert kept(seen.told) == []
    assert kept(engine.log.read_bytes()) == []
    assert kept_below(run.folder.path) == {}
    assert kept_below(place) == {}
    assert kept("".join(capfd.readouterr()).encode()) == []


def orchestrate(
    hub: LoopbackHub, home: Path, *arguments: object
) -> subprocess.CompletedProcess[bytes]:
    """The real command line with the real harness, and a token that only the Hub may see."""
    environment: Mapping[str, str] = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_TOKEN": TOKEN,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home / "huggingface"),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    return subprocess.run(
        [sys.executable, "orchestrate.py", *map(str, arguments)],
        cwd=ROOT, env=environment, capture_output=True, check=False, timeout=300,
    )  # fmt: skip


def test_no_secret_is_kept_by_the_real_harness_even_where_the_hub_refuses_it(
    tmp_path: Path,
) -> None:
    """One model is there, one is gated: its failure quotes what the Hub said."""
    picture = tmp_path / "cat.bmp"
    picture.write_bytes(bitmap())
    (checkpoint := tmp_path / "vit").mkdir()
    save("vit-base", checkpoint)
    with LoopbackHub(models={"someone/vit": checkpoint}, gated={"someone/gated"}) as hub:
        done = orchestrate(
            hub, tmp_path / "home", "--models", "someone/vit,someone/gated", "--image", picture,
            "--batch-sizes", 1, "--iterations", 6, "--quick", "--weights", "pretrained",
            "--backend", "aot_eager", "--output", tmp_path / "reports", "--progress", "plain",
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert b"gated" in done.stdout + done.stderr
    assert kept(done.stdout + done.stderr) == []
    assert kept_below(tmp_path / "reports") == {}
    assert kept_below(tmp_path / "home") == {}
    (record,) = (tmp_path / "reports").glob("*/records/*.jsonl")
    assert b'"kind":"measurement"' in record.read_bytes()


def bitmap() -> bytes:
    """A picture of 8 x 8 pixels, each of another colour."""
    from io import BytesIO

    from PIL import Image

    picture, buffer = Image.new("RGB", (8, 8)), BytesIO()
    picture.putdata([(index * 4, 255 - index * 4, index) for index in range(64)])
    picture.save(buffer, "BMP")
    return buffer.getvalue()

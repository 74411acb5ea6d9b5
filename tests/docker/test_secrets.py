"""Secrets as canaries: a whole run, and then every place where one could have been kept."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker.errors import APIError, NotFound

from orchestrator.hosts import image
from orchestrator.hosts.image import ImageSource
from orchestrator.inventory import addresses
from orchestrator.inventory.engines import EngineMachine
from tests.docker import needs, registry, stand_in, trial
from tests.docker.bed import Bed
from tests.docker.engine import GATEWAY, Engine
from tests.docker.real_image import RealImage
from tests.docker.trial import PRETRAINED, Trial
from tests.integration.checkpoints import save
from tests.integration.loopback_hub import LoopbackHub

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


def test_no_secret_is_kept_by_a_run_with_an_image_of_a_private_registry(
    engine: Engine, credentials: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (place := tmp_path / "registry").mkdir()
    with registry.serving(place) as address:
        credentials.write_text(json.dumps({"auths": {address: {"auth": AUTH}}}))
        reference = registry.push(
            engine, address, [LEAK, *trial.steps_for(PRETRAINED, trial.GATED)]
        )
        run = Trial.new(
            tmp_path / "reports",
            [EngineMachine("near", addresses.parse(engine.url), ())],
            PRETRAINED,
        )
        seen = Seen(engine)
        trial.after_the_first_case(run, "near", engine, seen.look)
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


# A Hub in the network of an engine: told what it serves, it prints its address and serves it.
HUB = """
import sys
from pathlib import Path
from tests.integration.loopback_hub import LoopbackHub
address, folder = sys.argv[1:]
models = {"someone/vit": Path(folder)}
with LoopbackHub(models=models, gated={"someone/gated"}, address=address) as hub:
    print(hub.url, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def hub_beside(engine: Engine, checkpoint: Path) -> Iterator[str]:
    """A Hub that the containers of an engine reach; its address."""
    with subprocess.Popen(
        [*engine.machine.enter_network(), sys.executable, "-c", HUB, GATEWAY, checkpoint],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def checkout(place: Path, hub: str) -> Path:
    """A checkout that nobody built before, whose image asks that Hub; secrets lie about in it."""
    for name in ("harness", "orchestrator", "requirements", "templates"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile", "orchestrate.py"):
        shutil.copy(ROOT / name, place / name)
    with (place / "harness" / "__init__.py").open("a") as file:
        file.write("# changed\n")
    with (place / "Dockerfile").open("a") as file:
        file.write(f"ENV HF_ENDPOINT={hub}\n")
    (place / ".env").write_text(f"HF_TOKEN={TOKEN}\n")
    return place


def saved(engine: Engine, tag: str) -> list[str]:
    """What is kept by an image as `docker save` writes it: every layer, configuration, history."""
    found: set[str] = set()
    with contextlib.closing(engine.client()) as client:
        found.update(kept(json.dumps(client.api.history(tag)).encode()))
        end = b""
        for chunk in client.images.get(tag).save(chunk_size=8 << 20):
            found.update(kept(end + chunk))
            end = chunk[-200:]
    return sorted(found)


@pytest.fixture
def apart(bed: Bed, real_image: RealImage) -> Iterator[Engine]:
    """An engine that has the real image's layers, and a network for its containers."""
    engine = bed.apart("apart")
    real_image.seed(engine)
    engine.start()
    yield engine
    engine.stop()


@pytest.mark.slow
def test_no_secret_is_kept_by_the_real_image_nor_by_the_harness_in_it(
    apart: Engine, real_image: RealImage, credentials: Path, tmp_path: Path
) -> None:
    """Built, run and told of by a user who has a token, and logins that Docker knows of."""
    credentials.write_text(json.dumps({"auths": {"registry.example": {"auth": AUTH}}}))
    (checkpoint := tmp_path / "vit").mkdir()
    save("vit-base", checkpoint)
    (picture := tmp_path / "cat.bmp").write_bytes(bitmap())
    (place := tmp_path / "checkout").mkdir()
    (inventory := place / "hosts.toml").write_text(
        f'# {TOKEN}\n[hosts.near]\ndocker = "{apart.url}"\ngpu = "none"\n'
    )
    with hub_beside(apart, checkpoint) as hub:
        command = [
            sys.executable, checkout(place, hub) / "orchestrate.py", "--hosts", "near",
            "--inventory", inventory, "--models", "someone/vit,someone/gated", "--image", picture,
            "--batch-sizes", 1, "--iterations", 6, "--weights", "pretrained",
            "--backend", "aot_eager", "--output", tmp_path / "reports", *real_image.options,
        ]  # fmt: skip
        with subprocess.Popen(
            list(map(str, command)), cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as run:
            told = told_until_the_end(apart, run)
            said = run.stdout.read() if run.stdout else b""
    assert run.returncode == 1, said
    assert b"gated" in said
    assert b"torch-compile-benchmark.run" in told
    assert kept(said) == []
    assert kept(told) == []
    assert kept(apart.log.read_bytes()) == []
    (path,) = (each.parent for each in (tmp_path / "reports").glob("*/run.json"))
    assert b'"kind":"measurement"' in b"".join(each.read_bytes() for each in path.glob("records/*"))
    subprocess.run(
        [sys.executable, place / "orchestrate.py", "export", path, "--format", "svg"],
        cwd=place, capture_output=True, check=True,
    )  # fmt: skip
    assert any((path / "charts").iterdir())
    assert kept_below(tmp_path / "reports") == {}
    assert saved(apart, newest(apart)) == []


def newest(engine: Engine) -> str:
    """The image that was built last."""
    with contextlib.closing(engine.client()) as client:
        images = client.images.list(filters={"label": image.REVISION_LABEL})
        return str(max(images, key=lambda one: str(one.attrs["Created"])).id)


def told_until_the_end(engine: Engine, run: subprocess.Popen[bytes]) -> bytes:
    """What an engine tells of the containers of a run, and of itself, while it goes on."""
    told = b""
    with contextlib.closing(engine.client()) as client:
        while run.poll() is None:
            for made in client.containers.list(all=True, ignore_removed=True):
                with contextlib.suppress(NotFound, APIError):
                    told += json.dumps([made.attrs, made.top(), client.info()]).encode()
                    told += made.logs()
            time.sleep(0.3)
    return told


def bitmap() -> bytes:
    """A picture of 8 x 8 pixels, each of another colour."""
    from io import BytesIO

    from PIL import Image

    picture, buffer = Image.new("RGB", (8, 8)), BytesIO()
    picture.putdata([(index * 4, 255 - index * 4, index) for index in range(64)])
    picture.save(buffer, "BMP")
    return buffer.getvalue()

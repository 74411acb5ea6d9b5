"""The GPU that these tests run on: a real one where there is one, else a fake one.

Without a CUDA build of torch they are skipped. REQUIRE_ALL=1, which `make gpu-test` sets, makes a
failure of whatever would be skipped for want of something that can be installed. FAKE_GPU=t4
chooses another fake one than an A100 for the tests that do not choose themselves.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.fake_gpu import build
from tests.fake_gpu.machine import FakeMachine

Factory = Callable[..., FakeMachine]


@cache
def torch_cuda_version() -> str | None:
    """For which CUDA the installed torch was built, read without loading it; None for none."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return None
    text = (Path(torch.origin).parent / "version.py").read_text(encoding="utf-8")
    found = re.search(r"^cuda.*=\s*'([\d.]+)'", text, re.MULTILINE)
    return found[1] if found else None


@cache
def listed_gpus() -> tuple[str, ...]:
    """The names of the GPUs that nvidia-smi lists here."""
    if shutil.which("nvidia-smi") is None:
        return ()
    done = subprocess.run(
        ["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60
    )
    return tuple(re.findall(r"^GPU \d+: (.+?) \(UUID", done.stdout, re.MULTILINE))


def is_real() -> bool:
    """Whether this machine has a GPU that is none of ours."""
    return any(not name.startswith("Fake ") for name in listed_gpus())


def lacking(reason: str) -> None:
    """Skip a test for want of something; fail it where nothing may be wanting."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def cuda_build() -> None:
    """Every test here needs torch's code for CUDA."""
    if torch_cuda_version() is None:
        lacking("the installed torch is no CUDA build")


@pytest.fixture(scope="session", autouse=True)
def _every_gpu_is_visible() -> Iterator[None]:
    """What the environment hides of this machine's GPUs says nothing of a fake machine's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
            if not is_real():
                patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def _buildable(cuda_build: None) -> None:
    try:
        build.build()
    except build.BuildError as error:
        lacking(str(error))


@pytest.fixture(autouse=True)
def _nothing_missing_in_process() -> Iterator[None]:
    """pytest itself may run on a fake machine, whose state then tells what was missing."""
    state = os.environ.get("FAKE_GPU_STATE", "")
    before = _lines(state)
    yield
    new = _lines(state)[len(before) :]
    assert not new, f"functions that the fake GPU lacks were called: {new}"


def _lines(state: str) -> list[str]:
    file = Path(state, "missing")
    return file.read_text(encoding="utf-8").splitlines() if state and file.is_file() else []


@pytest.fixture
def fake_machine(_buildable: None, tmp_path: Path) -> Iterator[Factory]:
    """Makes fake machines: `fake_machine(kind="a100", gpus=1, **staged)`.

    A test that asks for one is about something that only a fake can stage. It fails if anything
    called a function that the fake lacks.
    """
    if is_real():
        pytest.skip("only a fake GPU can stage this, and this machine has a real one")
    made: list[FakeMachine] = []

    def make(kind: str = "a100", gpus: int | None = None, **staged: str | int) -> FakeMachine:
        made.append(FakeMachine(tmp_path / f"machine-{len(made)}", kind, gpus, **staged))
        return made[-1]

    yield make
    refuse_missing(made)


@pytest.fixture(scope="session")
def _plain_machine(
    cuda_build: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> FakeMachine | None:
    """None where there is a real GPU."""
    if is_real():
        return None
    request.getfixturevalue("_buildable")
    folder = tmp_path_factory.mktemp("machine")
    return FakeMachine(folder, os.environ.get("FAKE_GPU") or "a100")


@pytest.fixture(scope="session")
def gpu_environment_of_session(_plain_machine: FakeMachine | None) -> dict[str, str]:
    """What child processes need in their environment to find a GPU; nothing for a real one.

    For fixtures that outlive a test; a test takes `gpu_environment`.
    """
    return _plain_machine.environment() if _plain_machine else {}


@pytest.fixture
def gpu_environment(
    _plain_machine: FakeMachine | None, gpu_environment_of_session: dict[str, str]
) -> Iterator[dict[str, str]]:
    """The same for a test, which fails if anything called a function that the fake lacks."""
    yield gpu_environment_of_session
    if _plain_machine:
        refuse_missing([_plain_machine])


def refuse_missing(machines: list[FakeMachine]) -> None:
    names = {name for machine in machines for name in machine.missing()}
    assert not names, f"functions that the fake GPU lacks were called: {sorted(names)}"

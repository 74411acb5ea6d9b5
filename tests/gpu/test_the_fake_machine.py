"""How fake machines are built, run by hand, and keep what they lack."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_gpu import build
from tests.fake_gpu.machine import FakeMachine, StagingError
from tests.gpu import conftest
from tests.gpu.conftest import Factory
from tests.gpu.fake_scripts import run

ROOT = Path(__file__).parents[2]


def test_a_call_of_what_the_fake_lacks_is_kept_and_fails_a_test(tmp_path: Path) -> None:
    if conftest.is_real():
        pytest.skip("this machine has a real GPU")
    machine = FakeMachine(tmp_path)
    found = run(
        machine,
        """
        library = runtime()
        library.cudaMallocAsync
        looked_up = os.path.exists(os.environ["FAKE_GPU_STATE"] + "/missing")
        tell(looked_up=looked_up, status=library.cudaMallocAsync(None, 0, None))
        """,
    )
    assert found == {"looked_up": False, "status": 801}
    assert machine.missing() == ["cudaMallocAsync"]
    with pytest.raises(AssertionError, match="cudaMallocAsync"):
        conftest.refuse_missing([machine])


def test_what_the_run_time_compiler_asks_of_the_driver_it_does_without(
    fake_machine: Factory,
) -> None:
    """Some operators of PyTorch compile their kernel when they are first called."""
    machine = fake_machine("a100")
    found = run(
        machine,
        """
        import torch
        twice = torch.cuda.jiterator._create_jit_fn("template <typename T> T f(T x) { return x; }")
        made = twice(torch.ones(8, device="cuda"))
        torch.cuda.synchronize()
        tell(shape=list(made.shape))
        """,
    )
    assert found == {"shape": [8]}
    assert machine.missing() == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a100", "--", "sh", "-c", "exit 7"], 7, ""),
        (["a100", "--", "sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM, ""),
        (
            ["a100", "--gpus", "2", "--stage", "queue=7", "--", "sh", "-c", "exit $FAKE_GPU_QUEUE"],
            7,
            "",
        ),
        (["rtx", "--", "true"], 2, "no fake GPU is called 'rtx'"),
        (["a100", "--gpus", "9", "--", "true"], 2, "9 GPUs of a100 cannot be"),
        (["a100", "--stage", "fire=1", "--", "true"], 2, "nothing called 'fire' can be staged"),
        (["a100", "--stage", "nvml=tired", "--", "true"], 2, "nvml=tired cannot be staged"),
        (["a100", "--stage", "nvml", "--", "true"], 2, "takes NAME=VALUE"),
        (["a100"], 2, "say what to run"),
        (["a100", "--", "no-such-command"], 2, "cannot run no-such-command"),
    ],
)
def test_the_command(arguments: list[str], code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fake_gpu", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == bool(said)


def test_two_who_build_at_once_do_not_harm_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = tmp_path / "key"

    def overtaken(site: Path, made: Path, work: Path) -> None:
        (made / "lib").mkdir(parents=True)
        (finished / "lib" / "of-the-first").mkdir(parents=True)

    monkeypatch.setattr(build, "_build_into", overtaken)
    build._build_aside(tmp_path, finished)
    assert [each.name for each in (finished / "lib").iterdir()] == ["of-the-first"]
    assert list(tmp_path.iterdir()) == [finished], "nothing is left behind"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(site: Path, made: Path, work: Path) -> None:
        made.mkdir()
        raise build.BuildError("g++ failed")

    monkeypatch.setattr(build, "_build_into", broken)
    with pytest.raises(build.BuildError, match="failed"):
        build._build_aside(tmp_path, tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("staged", "said"),
    [
        ({"throttle": "0x4@9-2"}, "9-2 is no span of time"),
        ({"throttle": "0x40@100-200;0x4@3-3s"}, "3-3 is no span of time"),
        ({"lost_after": "5@2"}, "there is no GPU 2 among 2"),
        ({"hang_after": "5@9"}, "there is no GPU 9 among 2"),
        ({"oom_at": "capture,module,disk"}, "module, capture, launch_in_capture"),
        ({"lost_error": "700"}, "719, 999"),
        ({"fork": "slow"}, "refuse, hang"),
        ({"memory_mb": "9" * 30}, "in MiB"),
    ],
)
def test_what_could_never_happen_is_not_staged(
    fake_machine: Factory, staged: dict[str, str], said: str
) -> None:
    with pytest.raises(StagingError) as refusal:
        fake_machine(gpus=2, **staged)
    assert said in str(refusal.value)


def test_only_gpus_that_mig_divides_have_parts(fake_machine: Factory) -> None:
    with pytest.raises(StagingError, match="MIG divides a100, h100, b200"):
        fake_machine("t4", parts="1g.5gb")


def test_a_schedule_that_is_none_is_refused(fake_machine: Factory) -> None:
    with pytest.raises(StagingError, match="throttle=hot cannot be staged"):
        fake_machine().set_throttle("hot")

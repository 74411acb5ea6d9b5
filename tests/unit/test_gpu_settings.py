from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu_check, gpu_settings
from benchmarks.gpu_settings import UsageError


def test_a_later_call_has_what_the_first_one_fixed_and_minutes_of_its_own(tmp_path: Path) -> None:
    place = ["--output", str(tmp_path)]
    given = ["--size", "tiny", "--models", "vit-base,resnet-50", "--batch-sizes", "16,1"]
    first = gpu_settings.parse([*place, *given, "--iterations", "6", "--minutes", "9"])
    again = gpu_settings.parse([*place, "--minutes", "2"])
    assert again.fixed == first.fixed
    assert first.fixed.models == ("resnet-50", "vit-base"), "the lightest first"
    assert first.fixed.batch_sizes == (1, 16)
    assert again.deadline_s < first.deadline_s


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--models", "resnet-50"], "models vit-base, not resnet-50"),
        (["--batch-sizes", "1,4"], "batch-sizes 1,4,16, not 1,4"),
        (["--iterations", "30"], "iterations 300, not 30"),
        (["--size", "tiny"], "size full, not tiny"),
        (["--case-processes", "fork"], "case-processes auto, not fork"),
    ],
)
def test_a_folder_is_not_continued_with_something_else(
    tmp_path: Path, given: list[str], told: str
) -> None:
    gpu_settings.parse(["--output", str(tmp_path), "--models", "vit-base"])
    before = (tmp_path / "settings.json").read_bytes()
    with pytest.raises(UsageError, match=told):
        gpu_settings.parse(["--output", str(tmp_path), *given])
    assert (tmp_path / "settings.json").read_bytes() == before


def test_results_of_two_machines_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_settings, "gpu_name", lambda: "Fake A100-SXM4-40GB")
    gpu_settings.parse(["--output", str(tmp_path)])
    monkeypatch.setattr(gpu_settings, "gpu_name", lambda: "NVIDIA H200")
    with pytest.raises(UsageError, match="gpu Fake A100-SXM4-40GB, not NVIDIA H200"):
        gpu_settings.parse(["--output", str(tmp_path)])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--models", "no-such"], "there is no model 'no-such'"),
        (["--only", "third"], "there is no step 'third'"),
        (["--batch-sizes", "1,0"], "no list of numbers from 1 on"),
    ],
)
def test_what_is_no_choice_is_refused_before_anything_is_written(
    tmp_path: Path, given: list[str], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        gpu_settings.parse(["--output", str(tmp_path / "new"), *given])
    assert not (tmp_path / "new").exists()


def test_what_an_older_version_left_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "plan.json").write_text("{}")
    with pytest.raises(UsageError, match="another version"):
        gpu_settings.parse(["--output", str(tmp_path)])


def test_damaged_settings_are_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"size": "tiny"}))
    with pytest.raises(UsageError, match=r"settings\.json cannot be used"):
        gpu_settings.parse(["--output", str(tmp_path)])


def test_the_command_of_a_run_and_the_one_that_goes_on_have_all_options(tmp_path: Path) -> None:
    settings = gpu_settings.parse(["--output", str(tmp_path), "--models", "vit-base"])
    options = f"-m benchmarks.gpu_check --output {tmp_path} --models vit-base"
    assert settings.command == f"python {options}"
    assert settings.going_on.endswith(options)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("GPU 0: NVIDIA H200 (UUID: GPU-1)\nGPU 1: NVIDIA H200 (UUID: GPU-2)\n", "NVIDIA H200"),
        ("GPU 0: Fake GPU (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-1)\n", "Fake GPU"),
        ("", ""),
    ],
)
def test_the_gpu_is_the_one_that_nvidia_smi_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, expected: str
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{listed}'\n")
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_settings.gpu_name() == expected


def test_a_tool_that_fails_once_does_not_make_another_machine_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nexit 9\n")
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_settings.gpu_name() is None
    monkeypatch.setattr(gpu_settings, "gpu_name", lambda: "NVIDIA H200")
    first = gpu_settings.parse(["--output", str(tmp_path / "check")])
    monkeypatch.setattr(gpu_settings, "gpu_name", lambda: None)
    assert gpu_settings.parse(["--output", str(tmp_path / "check")]).fixed == first.fixed


def test_what_this_python_lacks_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_check, "NEEDED", {"torch": "99.1", "no-such-package": ""})
    monkeypatch.setattr("sys.argv", ["gpu_check", "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        gpu_check.main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "99.1 is needed; it has no no-such-package" in said
    assert "-m pip install 'torch>=99.1' no-such-package" in said


def test_what_is_missing_comes_from_a_folder_of_wheels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel(wheels)
    monkeypatch.setattr("sys.path", list(gpu_check.sys.path))
    monkeypatch.setenv("PYTHONPATH", "before")
    monkeypatch.setattr(gpu_check, "NEEDED", {"carried-here": "1.5"})
    target = tmp_path / "packages"
    assert gpu_check._provide(target, None) == ""
    assert gpu_check._complaints() == ["it has no carried-here"]
    assert gpu_check._provide(target, wheels) == ""
    assert gpu_check._complaints() == []
    assert gpu_check.os.environ["PYTHONPATH"] == f"{target}:before", "and all that it starts"
    assert "no wheels in" in gpu_check._install(target, tmp_path / "none")


def write_wheel(folder: Path) -> None:
    """The smallest wheel that pip installs."""
    import zipfile

    info = "carried_here-1.5.dist-info"
    with zipfile.ZipFile(folder / "carried_here-1.5-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried_here.py", "")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: carried-here\nVersion: 1.5\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"carried_here.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")

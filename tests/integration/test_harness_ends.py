"""How a harness ends: bad cases, limits, signals, readers who leave; and a plan it cannot use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.child import Nursery
from harness.contract.plan import Picture, Plan
from harness.contract.records import (
    CaseStarted,
    Failure,
    Finished,
    Heartbeat,
    Measurement,
    Record,
    read_record,
)
from harness.limits import Limits
from harness.worker import PROCESS_NAME
from tests.integration.conftest import Supervise, job
from tests.integration.running import (
    BRIEF,
    ROOT,
    answer,
    harness,
    measured,
    only_failure,
    results,
    tiny,
)


def test_a_plan_on_the_second_line_needs_no_end_of_input_and_a_token_is_shown_nowhere() -> None:
    # A model that does not exist: its failure would be the place where a token leaks.
    token = "hf_" + "a1" * 15
    plan = tiny(models=(f"acme/{token}",), weights="pretrained", size="full")
    content = f"{token}\n{plan.model_dump_json()}\n".encode()
    environment = {"HF_HUB_OFFLINE": "1"}
    code, records, _ = answer("--two-lines", stdin=content, **environment)
    assert code == 1
    assert [record.reason for record in records if isinstance(record, Failure)] == ["load_error"]
    assert not [record for record in records if token in record.model_dump_json()]


def test_a_run_ends_at_its_deadline_and_lingers_with_its_copy_until_it_is_told_to_end(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "copy.jsonl"
    with harness(tiny(), "--limit-s", "0", "--linger-s", "60", "--copy", str(copy)) as process:
        assert process.stdout is not None
        said, records = b"", []
        while not (records and isinstance(records[-1], Failure)):
            said += process.stdout.readline()
            records.append(read_record(said.splitlines()[-1]))
        assert copy.read_bytes() == said
        assert (records[-1].case_id, records[-1].reason) == (None, "timeout")
        assert not [record for record in records if isinstance(record, Finished | Measurement)]
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        assert process.wait(20) in (1, 128 + signal.SIGTERM)


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is a GPU")
def test_a_gpu_that_is_required_and_missing_ends_the_run_before_any_case(
    supervise: Supervise,
) -> None:
    records = supervise(tiny(), limits=Limits(require_gpu=True))
    (failure,) = (record for record in records if not isinstance(record, Heartbeat))
    assert isinstance(failure, Failure)
    assert "sees no GPU" in failure.message


def workers() -> list[int]:
    """Process ids of the cases that run below this test."""
    return [
        int(entry.parent.name)
        for entry in Path("/proc").glob("[0-9]*/comm")
        if _read(entry).strip() == PROCESS_NAME.decode()
        and _is_below(int(entry.parent.name), os.getpid())
    ]


def running_case(process: subprocess.Popen[bytes]) -> list[int]:
    """Wait until a case has begun; give the process ids of that case."""
    assert process.stdout is not None
    for line in process.stdout:
        record = read_record(line)
        if isinstance(record, CaseStarted):
            break
    pids = workers()
    assert len(pids) == 1
    return pids


def gone(pids: list[int]) -> bool:
    """Whether none of these processes runs any more, waiting a little for the kernel."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        if not any(map(_runs, pids)):
            return True
        time.sleep(0.1)
    return False


def _runs(pid: int) -> bool:
    """One that has ended may stay listed until the machine's first process takes note of it."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[0] not in "Z?"


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        pid = int(_read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[1] or 0)
        if pid == ancestor:
            return True
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has just ended
        return ") ? 0"


def test_every_bad_end_is_a_failure_of_its_case_and_the_next_case_goes_on(
    supervise: Supervise,
) -> None:
    def interfere(record: Record) -> None:
        if isinstance(record, CaseStarted) and record.case_id.endswith("b1"):
            os.kill(workers()[0], signal.SIGKILL)

    plan = tiny(batch_sizes=(10**9, 1, 2))
    too_large, killed, healthy = results(supervise(plan, interfere)).values()
    assert isinstance(too_large, Failure)
    assert too_large.reason == "oom", too_large
    assert isinstance(killed, Failure)
    assert killed.reason == "crash"
    assert "SIGKILL" in killed.message
    assert isinstance(healthy, Measurement)
    assert workers() == []


def test_a_case_that_hangs_is_killed_at_its_time_limit(nursery: Nursery, tmp_path: Path) -> None:
    def stop(record: Record) -> None:
        assert isinstance(record, CaseStarted)
        os.kill(workers()[0], signal.SIGSTOP)

    plan = tiny(protocol=BRIEF.model_copy(update={"case_limit_s": 2.0}))
    hanging = nursery.run_case(job(plan, plan.attempts()[0], tmp_path), stop)
    assert isinstance(hanging, Failure)
    assert (hanging.reason, hanging.stage) == ("timeout", "build")
    assert "2 s" in hanging.message
    assert workers() == []


def test_a_compiler_that_fails_is_a_compile_error_with_its_traceback() -> None:
    failure = only_failure(measured(tiny(recipes=("default",)), CXX="false"))
    assert (failure.reason, failure.stage) == ("compile_error", "compile")
    assert "C++ compiler" in failure.message
    assert "torch/_inductor" in failure.traceback


def test_a_silent_fall_back_to_eager_is_no_speed_up_of_one() -> None:
    failure = only_failure(measured(tiny(), TORCHDYNAMO_DISABLE="1"))
    assert (failure.reason, failure.stage) == ("fell_back_to_eager", "compile")


def test_pretrained_weights_without_a_network_say_which_option_needs_none(
    supervise: Supervise,
) -> None:
    picture = Picture(url="http://127.0.0.1:9/cat.jpg")
    failure = only_failure(supervise(tiny(size="full", weights="pretrained", picture=picture)))
    assert failure.reason == "load_error"
    assert "--weights random" in failure.message


def test_a_reader_who_leaves_takes_the_whole_harness_with_him() -> None:
    plan = tiny(protocol=BRIEF.model_copy(update={"heartbeat_s": 0.2}))
    with harness(plan) as process:
        pids = running_case(process)
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=30)
        assert gone(pids)


def test_terminating_the_supervisor_leaves_no_process_behind() -> None:
    with harness(tiny()) as process:
        pids = running_case(process)
        process.terminate()
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
        assert gone(pids)


def test_killing_the_supervisor_takes_the_case_with_it() -> None:
    with harness(tiny()) as process:
        pids = running_case(process)
        process.kill()
        process.wait()
        assert gone(pids)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("not json", "Invalid JSON"),
        ("{}", "models"),
        ('{"models": [], "picture": {"url": ""}}', "at least 1 item"),
        ('{"kind": "plan", "schema_version": 9}', "made by a newer version"),
    ],
)
def test_a_plan_that_cannot_be_used_gets_one_sentence(text: str, sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--plan", "-"],
        cwd=ROOT, input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_harness_explains_itself_and_gives_a_plan_to_start_from() -> None:
    def say(option: str) -> str:
        command = [sys.executable, "-m", "harness", option]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "records as JSON lines" in say("--help")
    assert Plan.model_validate_json(say("--example-plan")).models == ("resnet-50",)

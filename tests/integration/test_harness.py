"""The real harness on tiny variants of the real architectures, in real processes, on the CPU."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import catalogue
from harness.plan import Picture, Plan, Protocol
from harness.records import (
    CaseStarted,
    Failure,
    Finished,
    Heartbeat,
    Measurement,
    Record,
    Started,
    read_record,
)
from harness.worker import PROCESS_NAME

ROOT = Path(__file__).resolve().parent.parent.parent
BRIEF = Protocol(iterations=6, warmup_min_calls=2, warmup_min_s=0, warmup_max_calls=4)
# Several cases run at once under pytest: one thread each.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}

Listener = Callable[[Record], None]


def tiny(models: tuple[str, ...] = ("vit-base",), **settings: object) -> Plan:
    values = {
        "models": models,
        "batch_sizes": (1,),
        "protocol": BRIEF,
        "weights": "random",
        "size": "tiny",
        "backend": "aot_eager",
        "picture": Picture(url="", fallback=True),
    }
    return Plan.model_validate(values | settings)


@contextlib.contextmanager
def harness(plan: Plan, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "--plan", "-"],
        cwd=ROOT,
        env=os.environ | ONE_THREAD | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(plan.model_dump_json().encode())
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def answer(*arguments: str, stdin: bytes, **environment: str) -> tuple[int, list[Record], bytes]:
    """What `python -m harness` says to a standard input: its exit code, records and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--plan", "-", *arguments],
        cwd=ROOT,
        env=os.environ | ONE_THREAD | environment,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.returncode, [read_record(line) for line in done.stdout.splitlines()], done.stderr


def test_the_whole_run_ends_at_its_deadline() -> None:
    code, records, _ = answer("--limit-s", "0", stdin=tiny().model_dump_json().encode())
    assert code == 1
    *_, last = records
    assert isinstance(last, Failure)
    assert (last.case_id, last.reason) == (None, "timeout")
    assert not [record for record in records if isinstance(record, Finished | Measurement)]


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


def test_a_harness_lingers_until_it_is_told_to_end() -> None:
    command = [sys.executable, "-m", "harness", "--plan", "-", "--limit-s", "0", "--linger-s", "60"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as pipe:
            pipe.write(tiny().model_dump_json().encode())
        while b'"timeout"' not in process.stdout.readline():
            pass
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        assert process.wait(20) in (1, 128 + signal.SIGTERM)


def test_a_gpu_that_is_required_and_missing_ends_the_run_before_any_case() -> None:
    plan = tiny().model_dump_json().encode()
    code, records, _ = answer("--require-gpu", stdin=plan, CUDA_VISIBLE_DEVICES="")
    assert code == 1
    (failure,) = (record for record in records if not isinstance(record, Heartbeat))
    assert isinstance(failure, Failure)
    assert "sees no GPU" in failure.message


def measured(plan: Plan, listen: Listener | None = None, **environment: str) -> list[Record]:
    """All records of a plan; `listen` sees each as it comes and may interfere."""
    records: list[Record] = []
    with harness(plan, **environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            records.append(read_record(line))
            if listen is not None:
                listen(records[-1])
    return records


def results(records: list[Record]) -> dict[str, Measurement | Failure]:
    return {
        record.case_id or "host": record
        for record in records
        if isinstance(record, Measurement | Failure)
    }


def only_failure(records: list[Record]) -> Failure:
    (result,) = results(records).values()
    assert isinstance(result, Failure), result
    return result


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
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


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


NAMES = tuple(model.name for model in catalogue.CATALOGUE)


@pytest.mark.parametrize("models", [NAMES[:6], NAMES[6:]], ids=["first six", "last six"])
def test_every_architecture_is_measured_from_plan_to_record(models: tuple[str, ...]) -> None:
    records = measured(tiny(models))
    found = results(records)
    assert len(found) == 6
    for case_id, result in found.items():
        assert isinstance(result, Measurement), (case_id, result)
        assert result.compile_evidence.graphs >= 1
        assert result.compile_evidence.recompiles_while_timing == 0
        assert result.agreement.relative_error <= result.agreement.tolerance
        for variant in ("eager", "compiled"):
            blocks = [block for block in result.blocks if block.variant == variant]
            assert sum(len(block.samples_s) for block in blocks) == BRIEF.iterations
    assert isinstance(records[-1], Finished)
    assert (records[-1].measured, records[-1].failed) == (6, 0)


def test_real_inductor_code_runs_and_is_proven() -> None:
    records = measured(
        tiny(backend="inductor", protocol=BRIEF.model_copy(update={"heartbeat_s": 1.0}))
    )
    stages = [record.stage for record in records if isinstance(record, CaseStarted)]
    assert stages == ["build", "verify", "compile", "warmup", "measure"]
    (result,) = results(records).values()
    assert isinstance(result, Measurement), result
    assert result.compile_evidence.kernels
    assert result.compile_evidence.graph_breaks == 0
    assert result.compiled.first_call_s > 100 * result.compiled.samples_s[-1]
    started = next(record for record in records if isinstance(record, Started))
    assert started.environment.device.type == "cpu"
    assert any(isinstance(record, Heartbeat) for record in records)
    assert [record.seq for record in records] == list(range(len(records)))
    elapsed = [record.elapsed_s for record in records]
    assert elapsed == sorted(elapsed)


def test_every_bad_end_is_a_failure_of_its_case_and_the_next_case_goes_on() -> None:
    plan = tiny(
        batch_sizes=(10**9, 1, 2, 3), protocol=BRIEF.model_copy(update={"case_limit_s": 12.0})
    )

    def interfere(record: Record) -> None:
        if isinstance(record, CaseStarted) and record.stage == "build":
            if record.case_id.endswith("b1"):
                os.kill(workers()[0], signal.SIGKILL)
            elif record.case_id.endswith("b2"):
                os.kill(workers()[0], signal.SIGSTOP)

    too_large, killed, hanging, healthy = results(measured(plan, interfere)).values()
    assert isinstance(too_large, Failure)
    assert too_large.reason == "oom", too_large
    assert isinstance(killed, Failure)
    assert killed.reason == "crash"
    assert "SIGKILL" in killed.message
    assert isinstance(hanging, Failure)
    assert hanging.reason == "timeout"
    assert "12 s" in hanging.message
    assert isinstance(healthy, Measurement)
    assert workers() == []


def test_a_silent_fall_back_to_eager_is_no_speed_up_of_one() -> None:
    failure = only_failure(measured(tiny(), TORCHDYNAMO_DISABLE="1"))
    assert (failure.reason, failure.stage) == ("fell_back_to_eager", "compile")


def test_a_compiler_that_fails_is_a_compile_error_with_its_traceback() -> None:
    failure = only_failure(measured(tiny(backend="inductor"), CXX="false"))
    assert (failure.reason, failure.stage) == ("compile_error", "compile")
    assert "C++ compiler" in failure.message
    assert "torch/_inductor" in failure.traceback


def test_each_precision_is_measured_by_its_own_rules_or_refused() -> None:
    tf32, bfloat16 = results(measured(tiny(precisions=("tf32", "bfloat16")))).values()
    assert isinstance(tf32, Failure)
    assert tf32.reason == "unsupported"
    assert isinstance(bfloat16, Measurement), bfloat16
    assert bfloat16.facts.dtype == "bfloat16"
    assert bfloat16.agreement.tolerance == 0.02


def test_pretrained_weights_without_a_network_say_which_option_needs_none() -> None:
    picture = Picture(url="http://127.0.0.1:9/cat.jpg")
    failure = only_failure(measured(tiny(size="full", weights="pretrained", picture=picture)))
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

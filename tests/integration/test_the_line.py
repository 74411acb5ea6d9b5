"""From streams of bytes to a page on disk, with hosts that replay what a harness would send."""

from __future__ import annotations

import datetime
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.plan import Case, Plan
from harness.records import CaseStarted, Environment, Finished, Record, write_line
from harness.vocabulary import SCHEMA_VERSION
from orchestrator import pipeline
from orchestrator.errors import (
    HangUp,
    NoHostError,
    RunError,
    StillThereError,
    StorageError,
    UnknownNameError,
)
from orchestrator.fleet import InterruptedRunError
from orchestrator.outcomes import Trouble
from orchestrator.progress import NoProgress
from orchestrator.rundir import RunFolder
from tests import factories
from tests.fake_host import FakeHost, lines

RESNET = factories.case("resnet-50")
VIT = factories.case("vit-base")
NOISE = factories.case("resnet-50", mode="eager")
PLAN = factories.plan([RESNET, VIT])
NOW = datetime.datetime(2026, 11, 24, 4, 15, tzinfo=datetime.UTC)
STARTED = factories.started([RESNET, VIT])
DONE = Finished(plan_id=PLAN.plan_id, measured=2, failed=0)
FASTER = factories.measurement(RESNET, eager_s=0.010, compiled_s=0.005, noise=0.01)
SLOWER = factories.measurement(VIT, eager_s=0.010, compiled_s=0.020, noise=0.01)
WHOLE = lines(STARTED, FASTER, SLOWER, DONE)


def new_folder(output: Path, *hosts: str, plan: Plan = PLAN) -> RunFolder:
    return RunFolder.create(output, plan, hosts or ("local",), "python orchestrate.py", NOW)


def measured(output: Path, *hosts: FakeHost) -> RunFolder:
    folder = new_folder(output, *(host.name for host in hosts))
    pipeline.measure(folder, hosts, NoProgress())
    return folder


def verdicts(folder: RunFolder) -> list[str]:
    return [row.verdict for row in pipeline.render(folder).comparison.rows]


@pytest.mark.parametrize("chunk_bytes", [1000, 16 * 1024, 1 << 20])
def test_a_stream_becomes_a_page_and_its_exports(tmp_path: Path, chunk_bytes: int) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE, chunk_bytes))
    assert verdicts(folder) == ["faster", "slower"]
    assert (folder.path / "records" / "local.1.jsonl").read_bytes() == WHOLE
    names = {path.name for path in folder.path.iterdir() if path.is_file()}
    assert names == {
        "run.json", "plan.json", "report.html", "results.csv", "results.json", "results.md",
    }  # fmt: skip


@pytest.mark.parametrize("chunk_bytes", [1000, 1 << 20])
def test_a_result_that_is_refused_is_kept_and_its_case_says_why(
    tmp_path: Path, chunk_bytes: int
) -> None:
    bad = WHOLE.replace(b'"graphs":1', b'"graphs":0', 1)
    folder = measured(tmp_path, FakeHost("local", bad, chunk_bytes))
    rows = pipeline.render(folder).comparison.rows
    assert [row.verdict for row in rows] == ["failed", "slower"]
    assert rows[0].problem is not None
    assert rows[0].problem.message == (
        "its record was refused: measurement: no compiled code ran: no graph was captured "
        "(local.1.jsonl, line 2)"
    )
    assert (folder.path / "records" / "local.1.jsonl").read_bytes() == bad
    (outcome,) = folder.outcomes()
    assert outcome.ending == "finished"


def test_every_host_keeps_its_own_results(tmp_path: Path) -> None:
    other = lines(STARTED, SLOWER.model_copy(update={"case": RESNET}), DONE)
    folder = measured(tmp_path, FakeHost("a100", WHOLE), FakeHost("t4", other))
    rows = pipeline.render(folder).comparison.rows
    assert [(row.host, row.case.model, row.verdict) for row in rows] == [
        ("a100", "resnet-50", "faster"),
        ("a100", "vit-base", "slower"),
        ("t4", "resnet-50", "slower"),
        ("t4", "vit-base", "missing"),
    ]


class Told(NoProgress):
    """Remembers how hosts ended."""

    def __init__(self) -> None:
        self.troubles: dict[str, str] = {}
        self.skips: dict[str, str] = {}

    def ended(self, host: str, trouble: str) -> None:
        self.troubles[host] = trouble

    def skipped(self, host: str, why: str) -> None:
        self.skips[host] = why


def test_a_host_that_breaks_is_on_the_page_with_its_cause_and_the_others_finish(
    tmp_path: Path,
) -> None:
    folder, told = new_folder(tmp_path, "a100", "t4"), Told()
    hosts = [FakeHost("a100", WHOLE), FakeHost("t4", b"", breaks='host "t4" is on fire')]
    pipeline.measure(folder, hosts, told)
    assert told.troubles == {"a100": "", "t4": 'host "t4" is on fire. Mend it.'}
    rendered = pipeline.render(folder)
    assert [row.verdict for row in rendered.comparison.rows] == [
        "faster", "slower", "failed", "failed"
    ]  # fmt: skip
    assert pipeline.exit_code(rendered.comparison) == 1
    assert "t4&#34; is on fire. Mend it." in rendered.page.read_text()
    kept = folder.meta().troubles
    assert kept == {"t4.1.jsonl": Trouble(told.troubles["t4"], "host_unavailable", "starting")}


def test_a_run_without_a_usable_host_names_the_cause_of_each(tmp_path: Path) -> None:
    folder = measured(
        tmp_path, FakeHost("a", b"", breaks="no key"), FakeHost("b", b"", breaks="no")
    )
    with pytest.raises(NoHostError) as caught:
        pipeline.exit_code(pipeline.render(folder).comparison)
    assert "no key. Mend it." in caught.value.sentence
    assert "no. Mend it." in caught.value.sentence


def on(environment: Environment, case: Case) -> Record:
    update = {"environment": environment, "plan_id": PLAN.plan_id}
    return factories.started([case]).model_copy(update=update)


def test_gpus_of_one_host_share_its_cases_and_are_reported_as_one(tmp_path: Path) -> None:
    def stream(case: Case, gpu: str) -> bytes:
        device = factories.environment().device.model_copy(update={"uuid": gpu})
        started = on(factories.environment(device=device), case)
        done = Finished(plan_id=PLAN.plan_id, measured=1, failed=0)
        return lines(started, factories.measurement(case), done)

    lanes = [FakeHost("box", stream(VIT, "GPU-1")), FakeHost("box", stream(RESNET, "GPU-2"))]
    folder = new_folder(tmp_path, "box")
    pipeline.measure(folder, lanes, NoProgress())
    asked = [{case.case_id for case in host.plans[0].cases()} for host in lanes]
    assert sorted(map(len, asked)) == [1, 1]
    assert set.union(*asked) == {RESNET.case_id, VIT.case_id}
    (outcome,) = folder.outcomes()
    assert outcome.ending == "finished"
    assert outcome.measurements.keys() == {RESNET.case_id, VIT.case_id}
    assert "measured on 2 GPUs" in outcome.remarks[0]
    assert "measured on 2 GPUs" in pipeline.render(folder).page.read_text()


def test_gpus_that_differ_do_not_share_the_cases_of_a_host(tmp_path: Path) -> None:
    one, other = on(factories.environment(), VIT), on(factories.environment("Tesla T4"), RESNET)
    lanes = [FakeHost("box", lines(one, SLOWER)), FakeHost("box", lines(other, FASTER))]
    folder, told = new_folder(tmp_path, "box"), Told()
    pipeline.measure(folder, lanes, told)
    assert "its GPUs differ" in told.troubles["box"]


def test_what_a_host_sends_again_is_kept_once(tmp_path: Path) -> None:
    half = len(lines(STARTED, FASTER)) + 100
    replayed = FakeHost("local", WHOLE[:half], then=WHOLE)
    folder = measured(tmp_path, replayed)
    assert (folder.path / "records" / "local.1.jsonl").read_bytes() == WHOLE


@pytest.mark.parametrize("cut", [0, 1, 100, len(lines(STARTED)), len(lines(STARTED, FASTER)) - 1])
def test_a_record_file_is_taken_up_where_it_was_cut(tmp_path: Path, cut: int) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "records" / "local.1.jsonl"
    path.write_bytes(WHOLE[:cut])
    with folder.reopened("local.1.jsonl") as (attempt, known):
        assert len(known.records) == attempt.next_seq
        for line in WHOLE.splitlines(keepends=True)[attempt.next_seq :]:
            attempt.append(line)
    assert path.read_bytes() == WHOLE


def test_an_older_run_json_is_still_read(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "run.json"
    fields = json.loads(path.read_text())
    for newer in ("machines", "troubles"):
        del fields[newer]
    path.write_text(json.dumps(fields))
    assert verdicts(folder) == ["faster", "slower"]


def test_hosts_whose_names_begin_alike_keep_their_records_apart(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("a", WHOLE), FakeHost("a.1", lines(STARTED, FASTER, DONE)))
    assert [len(outcome.measurements) for outcome in folder.outcomes()] == [2, 1]


def test_a_cut_stream_keeps_what_came_before_the_cut(tmp_path: Path) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    folder = measured(tmp_path, FakeHost("local", lines(STARTED, FASTER, opened)))
    rows = pipeline.render(folder).comparison.rows
    assert [row.verdict for row in rows] == ["faster", "failed"]
    assert rows[1].problem is not None
    assert rows[1].problem.reason == "crash"


def test_a_record_file_cut_at_any_byte_of_its_last_record_reads_cleanly(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "records" / "local.1.jsonl"
    start = len(lines(STARTED, FASTER))
    for cut in range(start, len(WHOLE), 211):
        path.write_bytes(WHOLE[:cut])
        (outcome,) = folder.outcomes()
        assert RESNET.case_id in outcome.measurements


def test_a_garbage_line_is_remarked_and_costs_no_other(tmp_path: Path) -> None:
    first, rest = WHOLE.split(b"\n", 1)
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "records" / "local.1.jsonl"
    path.write_bytes(first + b"\nwhat is this?\n" + rest)
    assert verdicts(folder) == ["faster", "slower"]
    (outcome,) = folder.outcomes()
    assert "local.1.jsonl, line 2 skipped" in outcome.remarks[0]
    assert "line 2 skipped" in (folder.path / "report.html").read_text()


def test_a_sample_that_is_not_a_number_is_refused_and_remarked(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "records" / "local.1.jsonl"
    sample = str(FASTER.blocks[0].samples_s[0]).encode()
    path.write_bytes(WHOLE.replace(sample, b"NaN", 1))
    rows = pipeline.render(folder).comparison.rows
    assert [row.verdict for row in rows] == ["failed", "slower"]
    assert rows[0].problem is not None
    assert rows[0].problem.reason == "refused"


def test_records_of_a_newer_version_are_refused_with_a_sentence(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    path = folder.path / "records" / "local.1.jsonl"
    current = b'"schema_version":%d' % SCHEMA_VERSION
    assert current in WHOLE
    path.write_bytes(WHOLE.replace(current, b'"schema_version":%d' % (SCHEMA_VERSION + 1)))
    with pytest.raises(RunError, match="made by a newer version"):
        pipeline.render(folder)


def test_resuming_asks_only_for_what_is_lacking(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", lines(STARTED, FASTER)))
    rest = FakeHost("local", lines(STARTED, SLOWER, DONE))
    pipeline.measure(folder, [rest], NoProgress())
    assert [case.case_id for case in rest.plans[0].cases()] == [VIT.case_id]
    assert rest.plans[0].plan_id == PLAN.plan_id
    assert verdicts(folder) == ["faster", "slower"]


def test_resuming_tries_a_crash_again_but_not_a_lack_of_memory(tmp_path: Path) -> None:
    stream = lines(STARTED, factories.failure(RESNET, "oom"), factories.failure(VIT, "crash"), DONE)
    folder = measured(tmp_path, FakeHost("local", stream))
    again = FakeHost("local", lines(STARTED, SLOWER, DONE))
    pipeline.measure(folder, [again], NoProgress())
    assert [case.case_id for case in again.plans[0].cases()] == [VIT.case_id]


def test_resuming_a_complete_run_starts_nothing(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    idle, told = FakeHost("local", WHOLE), Told()
    pipeline.measure(folder, [idle], told)
    assert idle.plans == []
    assert told.skips == {"local": "complete: nothing is left to measure"}


@pytest.mark.parametrize("ending", ["killed", "interrupted", "lost"])
def test_resuming_what_still_measures_starts_nothing_and_loses_nothing(
    tmp_path: Path, ending: str
) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    folder = measured(tmp_path, FakeHost("t4", lines(STARTED, FASTER, opened)))
    if ending == "interrupted":
        folder.mark_interrupted(["t4.1.jsonl"])
    if ending == "lost":
        folder.mark_trouble("t4.1.jsonl", Trouble('host "t4" was lost'))
    before, told = folder.attempts("t4")["t4.1.jsonl"].records, Told()
    still = StillThereError("t4 still measures", "Follow it", "t4.1.jsonl")
    pipeline.measure(folder, [FakeHost("t4", b"", refusal=still)], told)
    assert told.troubles == {}
    assert told.skips == {"t4": "t4 still measures. Follow it"}
    assert {name: one.records for name, one in folder.attempts("t4").items()} == {
        "t4.1.jsonl": before
    }
    assert verdicts(folder) == ["faster", "missing"]
    assert folder.meta().troubles == {}
    assert pipeline.exit_code(pipeline.render(folder).comparison) == 1


def test_a_run_whose_harnesses_have_not_said_anything_yet_is_no_run_without_a_host(
    tmp_path: Path,
) -> None:
    folder = measured(tmp_path, FakeHost("t4", b""))
    still = StillThereError("t4 still measures", "Follow it", "t4.1.jsonl")
    pipeline.measure(folder, [FakeHost("t4", b"", refusal=still)], NoProgress())
    assert pipeline.exit_code(pipeline.render(folder).comparison) == 1


def test_a_host_that_answers_for_another_plan_is_ended_and_nothing_of_it_kept(
    tmp_path: Path,
) -> None:
    other = STARTED.model_copy(update={"plan_id": "0123456789abcdef"})
    host = FakeHost("t4", lines(other, FASTER, SLOWER, DONE))
    folder, told = new_folder(tmp_path, "t4"), Told()
    pipeline.measure(folder, [host], told)
    assert "answers for another plan (0123456789abcdef)" in told.troubles["t4"]
    assert f"--resume {folder.path}" in told.troubles["t4"]
    assert host.sessions[0].killed
    assert (folder.path / "records" / "t4.1.jsonl").read_bytes() == b""
    assert verdicts(folder) == ["failed", "failed"]


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (None, 1),
        (factories.failure(NOISE, "crash"), 1),
        (factories.failure(NOISE, "oom"), 0),
        (factories.measurement(NOISE), 0),
    ],
)
def test_what_only_eager_against_eager_lacks_is_not_everything(
    tmp_path: Path, last: Record | None, code: int
) -> None:
    plan = factories.plan([RESNET], noise_floor=(NOISE,))
    ids = (RESNET.case_id, NOISE.case_id)
    started = factories.started([RESNET], plan_id=plan.plan_id, case_ids=ids)
    folder = new_folder(tmp_path, plan=plan)
    records = [started, FASTER, *([last] if last else [])]
    pipeline.measure(folder, [FakeHost("local", lines(*records))], NoProgress())
    compared = pipeline.render(folder).comparison
    assert pipeline.exit_code(compared) == code
    remarks = [one for one in compared.hosts[0].remarks if NOISE.case_id in one]
    assert len(remarks) == (last is None or last.kind == "failure")


class Impatient(NoProgress):
    """Presses Ctrl-C once the first result is there."""

    def saw(self, host: str, record: Record) -> None:
        if record.kind == "measurement":
            raise KeyboardInterrupt


def test_ctrl_c_stops_the_host_and_keeps_what_was_measured(tmp_path: Path) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    host = FakeHost("local", lines(STARTED, FASTER, opened), endless=True)
    folder = new_folder(tmp_path)
    with pytest.raises(InterruptedRunError):
        pipeline.measure(folder, [host], Impatient())
    assert host.sessions[0].stopped.is_set()
    rows = pipeline.render(folder).comparison.rows
    assert [row.verdict for row in rows] == ["faster", "missing"]


class HungUp(NoProgress):
    """Closes the terminal once the first result is there."""

    def saw(self, host: str, record: Record) -> None:
        if record.kind == "measurement":
            raise HangUp


def test_a_closed_terminal_leaves_running_what_can_do_without_it(tmp_path: Path) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    host = FakeHost("t4", lines(STARTED, FASTER, opened), endless=True)
    folder = new_folder(tmp_path, "t4")
    with pytest.raises(InterruptedRunError) as caught:
        pipeline.measure(folder, [host], HungUp())
    assert caught.value.running == ("t4",)
    assert not host.sessions[0].killed


def test_running_out_of_memory_is_a_result_and_a_crash_is_not(tmp_path: Path) -> None:
    def code(reason: str) -> int:
        stream = lines(STARTED, FASTER, factories.failure(VIT, reason), DONE)  # type: ignore[arg-type]
        rendered = pipeline.render(measured(tmp_path, FakeHost("local", stream)))
        return pipeline.exit_code(rendered.comparison)

    assert code("oom") == 0
    assert code("crash") == 1
    assert code("fell_back_to_eager") == 1


def test_a_run_in_which_no_host_started_says_why(tmp_path: Path) -> None:
    stream = lines(factories.failure(None, "load_error", "torch cannot be loaded here: no libc"))
    rendered = pipeline.render(measured(tmp_path, FakeHost("local", stream)))
    with pytest.raises(NoHostError, match="torch cannot be loaded here"):
        pipeline.exit_code(rendered.comparison)
    assert rendered.page.exists()


@pytest.fixture
def nearly_full_disk() -> Iterator[None]:
    """The last measurement does not fit: the kernel refuses the write, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(WHOLE) * 3 // 4, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("nearly_full_disk")
def test_a_full_disk_keeps_what_was_written_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    with pytest.raises(StorageError) as caught:
        pipeline.measure(folder, [FakeHost("local", WHOLE)], NoProgress())
    assert "local.1.jsonl" in caught.value.sentence
    assert f"--resume {folder.path}" in caught.value.advice
    assert caught.value.exit_code == 1
    (outcome,) = folder.outcomes()
    assert RESNET.case_id in outcome.measurements
    assert VIT.case_id not in outcome.measurements


def test_two_runs_in_the_same_minute_get_two_folders(tmp_path: Path) -> None:
    assert new_folder(tmp_path).path != new_folder(tmp_path).path


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot make the folder"):
        new_folder(tmp_path / "file" / "reports")


def test_a_missing_run_lists_what_there_is(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    with pytest.raises(UnknownNameError) as caught:
        RunFolder.find(tmp_path, folder.path.name[:-1])
    assert folder.path.name in caught.value.sentence


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no run\.json"):
        RunFolder.find(tmp_path, str(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run_id": 1}', "\x00"])
def test_a_damaged_run_json_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    folder = new_folder(tmp_path)
    (folder.path / "run.json").write_text(text)
    with pytest.raises(RunError, match="cannot read"):
        folder.meta()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "plan"}', '{"schema_version": 9}'])
def test_a_damaged_plan_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    folder = new_folder(tmp_path)
    (folder.path / "plan.json").write_text(text)
    with pytest.raises(RunError, match="cannot read"):
        folder.plan()


def test_the_published_table_renders_all_its_rows(tmp_path: Path) -> None:
    rendered = pipeline.render_published(tmp_path)
    assert len(rendered.comparison.rows) == 136
    failed = [row for row in rendered.comparison.rows if row.verdict == "failed"]
    assert len(failed) == 4
    assert {row.verdict for row in rendered.comparison.rows} == {"published", "failed"}
    content = json.loads((tmp_path / "published" / "results.json").read_text())
    assert len(content["rows"]) == 136
    first = content["rows"][0]
    assert (first["eager_mean_s"], first["compiled_mean_s"]) == (0.009325, 0.007584)
    assert first["verdict"] == "published"


def test_a_published_figure_stands_beside_a_result_of_the_same_gpu(tmp_path: Path) -> None:
    rows = pipeline.render(measured(tmp_path, FakeHost("local", WHOLE))).comparison.rows
    published = rows[1].published
    assert published is not None
    assert (published.gpu, published.torch, published.eager_s) == ("A100", "2.0.1", 0.009325)


def test_reading_written_records_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    (outcome,) = folder.outcomes()
    assert write_line(outcome.measurements[RESNET.case_id]).encode() in WHOLE


def test_a_copy_beside_the_records_is_no_record_file(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("local", WHOLE))
    records = folder.path / "records"
    for name in ("local.1.bak.jsonl", "local.copy.jsonl", "notes.txt"):
        (records / name).write_bytes(WHOLE)
    assert verdicts(folder) == ["faster", "slower"]


@pytest.mark.parametrize("hosts", [["/etc/x"], ["[a-"], [".."], 7])
def test_a_run_json_with_impossible_hosts_is_refused(tmp_path: Path, hosts: object) -> None:
    folder = new_folder(tmp_path)
    path = folder.path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hosts": hosts}))
    with pytest.raises(RunError, match=r"cannot read .*run\.json"):
        folder.meta()

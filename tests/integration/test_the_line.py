"""From streams of bytes to a page on disk, with hosts that replay what a harness would send."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.contract.plan import Case
from harness.contract.records import CaseStarted, Environment, Finished, Record
from harness.contract.vocabulary import SCHEMA_VERSION
from orchestrator.cli.progress import NoProgress
from orchestrator.errors import NoHostError, RunError
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import opening
from orchestrator.publish import rendering
from orchestrator.records.outcomes import Trouble
from tests import factories
from tests.fake_host import FakeHost, lines
from tests.integration.replays import (
    DONE,
    FASTER,
    PLAN,
    RESNET,
    SLOWER,
    STARTED,
    VIT,
    WHOLE,
    Told,
    measured,
    new_folder,
    verdicts,
)


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
    rows = rendering.render(folder).comparison.rows
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
    rows = rendering.render(folder).comparison.rows
    assert [(row.host, row.case.model, row.verdict) for row in rows] == [
        ("a100", "resnet-50", "faster"),
        ("a100", "vit-base", "slower"),
        ("t4", "resnet-50", "slower"),
        ("t4", "vit-base", "missing"),
    ]


def test_a_host_that_breaks_is_on_the_page_with_its_cause_and_the_others_finish(
    tmp_path: Path,
) -> None:
    folder, told = new_folder(tmp_path, "a100", "t4"), Told()
    hosts = [FakeHost("a100", WHOLE), FakeHost("t4", b"", breaks='host "t4" is on fire')]
    Run.of(folder).measure(hosts, told)
    assert told.troubles == {"a100": "", "t4": 'host "t4" is on fire. Mend it.'}
    rendered = rendering.render(folder)
    assert [row.verdict for row in rendered.comparison.rows] == [
        "faster", "slower", "failed", "failed"
    ]  # fmt: skip
    assert rendering.exit_code(rendered.comparison) == 1
    assert "t4&#34; is on fire. Mend it." in rendered.page.read_text()
    kept = folder.meta().troubles
    assert kept == {"t4.1.jsonl": Trouble(told.troubles["t4"], "host_unavailable", "starting")}


def test_each_host_is_asked_once_whether_it_can_measure_and_a_refusal_is_kept(
    tmp_path: Path,
) -> None:
    folder, told = new_folder(tmp_path, "a100", "t4"), Told()
    hosts = [FakeHost("a100", WHOLE), FakeHost("t4", b"", refuses="no torch on t4")]
    Run.of(folder).measure(opening.checked(hosts, PLAN), told)
    assert [host.checks for host in hosts] == [1, 1]
    assert told.troubles == {"a100": "", "t4": "no torch on t4"}
    assert hosts[1].plans == []
    with pytest.raises(NoHostError, match="no torch on t4"):
        opening.checked(hosts[1:], PLAN)


def test_a_run_without_a_usable_host_names_the_cause_of_each(tmp_path: Path) -> None:
    folder = measured(
        tmp_path, FakeHost("a", b"", breaks="no key"), FakeHost("b", b"", breaks="no")
    )
    with pytest.raises(NoHostError) as caught:
        rendering.exit_code(rendering.render(folder).comparison)
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
    Run.of(folder).measure(lanes, NoProgress())
    asked = [{case.case_id for case in host.plans[0].attempts()} for host in lanes]
    assert sorted(map(len, asked)) == [1, 1]
    assert set.union(*asked) == {RESNET.case_id, VIT.case_id}
    (outcome,) = folder.outcomes()
    assert outcome.ending == "finished"
    assert outcome.measurements.keys() == {RESNET.case_id, VIT.case_id}
    assert "measured on 2 GPUs" in outcome.remarks[0]
    assert "measured on 2 GPUs" in rendering.render(folder).page.read_text()


def test_one_gpu_under_two_names_is_measured_once(tmp_path: Path) -> None:
    device = factories.environment().device.model_copy(update={"uuid": "GPU-1"})
    environment = factories.environment(device=device)
    stream = lines(STARTED.model_copy(update={"environment": environment}), FASTER, SLOWER, DONE)
    hosts = [FakeHost(name, stream) for name in ("one", "two")]
    folder, told = new_folder(tmp_path, "one", "two"), Told()
    Run.of(folder).measure(hosts, told)
    (bad,) = (name for name, trouble in told.troubles.items() if trouble)
    (good,) = {"one", "two"} - {bad}
    assert f'it measures the same GPU as host "{good}": GPU-1' in told.troubles[bad]
    assert (folder.path / "records" / f"{bad}.1.jsonl").read_bytes() == b""
    assert (folder.path / "records" / f"{good}.1.jsonl").read_bytes() == stream


def test_gpus_that_differ_do_not_share_the_cases_of_a_host(tmp_path: Path) -> None:
    one, other = on(factories.environment(), VIT), on(factories.environment("Tesla T4"), RESNET)
    lanes = [FakeHost("box", lines(one, SLOWER)), FakeHost("box", lines(other, FASTER))]
    folder, told = new_folder(tmp_path, "box"), Told()
    Run.of(folder).measure(lanes, told)
    assert "its GPUs differ" in told.troubles["box"]


def test_what_a_host_sends_again_is_kept_once(tmp_path: Path) -> None:
    half = len(lines(STARTED, FASTER)) + 100
    replayed = FakeHost("local", WHOLE[:half], then=WHOLE)
    folder = measured(tmp_path, replayed)
    assert (folder.path / "records" / "local.1.jsonl").read_bytes() == WHOLE


def test_a_record_that_is_lost_on_the_way_is_looked_for_and_kept_in_its_place(
    tmp_path: Path,
) -> None:
    records = WHOLE.splitlines(keepends=True)
    torn = b"".join(records[:1] + records[2:])
    folder = measured(tmp_path, FakeHost("local", torn, chunk_bytes=len(torn), then=WHOLE))
    assert (folder.path / "records" / "local.1.jsonl").read_bytes() == WHOLE


def test_a_record_that_is_lost_before_one_that_cannot_be_read_is_looked_for_too(
    tmp_path: Path,
) -> None:
    started, faster, slower, *rest = WHOLE.splitlines(keepends=True)
    spoilt = slower.replace(str(SLOWER.blocks[0].samples_s[0]).encode(), b"NaN", 1)
    torn = b"".join([started, spoilt, *rest])
    whole = b"".join([started, faster, spoilt, *rest])
    folder = measured(tmp_path, FakeHost("local", torn, chunk_bytes=len(torn), then=whole))
    assert verdicts(folder) == ["faster", "failed"]


def test_a_record_that_nobody_has_any_more_costs_no_other(tmp_path: Path) -> None:
    records = WHOLE.splitlines(keepends=True)
    torn = b"".join(records[:1] + records[2:])
    folder = measured(tmp_path, FakeHost("local", torn, chunk_bytes=len(torn), then=torn))
    assert (folder.path / "records" / "local.1.jsonl").read_bytes() == torn


def test_hosts_whose_names_begin_alike_keep_their_records_apart(tmp_path: Path) -> None:
    folder = measured(tmp_path, FakeHost("a", WHOLE), FakeHost("a.1", lines(STARTED, FASTER, DONE)))
    assert [len(outcome.measurements) for outcome in folder.outcomes()] == [2, 1]


def test_a_cut_stream_keeps_what_came_before_the_cut(tmp_path: Path) -> None:
    opened = CaseStarted(case_id=VIT.case_id, stage="compile")
    folder = measured(tmp_path, FakeHost("local", lines(STARTED, FASTER, opened)))
    rows = rendering.render(folder).comparison.rows
    assert [row.verdict for row in rows] == ["faster", "failed"]
    assert rows[1].problem is not None
    assert rows[1].problem.reason == "crash"


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
    rows = rendering.render(folder).comparison.rows
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
        rendering.render(folder)


def test_a_host_that_answers_for_another_plan_is_ended_and_nothing_of_it_kept(
    tmp_path: Path,
) -> None:
    other = STARTED.model_copy(update={"plan_id": "0123456789abcdef"})
    host = FakeHost("t4", lines(other, FASTER, SLOWER, DONE))
    folder, told = new_folder(tmp_path, "t4"), Told()
    Run.of(folder).measure([host], told)
    assert "answers for another plan (0123456789abcdef)" in told.troubles["t4"]
    assert f"--resume {folder.path}" in told.troubles["t4"]
    assert host.sessions[0].killed
    assert (folder.path / "records" / "t4.1.jsonl").read_bytes() == b""
    assert verdicts(folder) == ["failed", "failed"]


def test_a_host_that_does_not_say_what_it_measures_on_is_ended(tmp_path: Path) -> None:
    first = lines(STARTED).replace(b'"case_ids":[', b'"case_ids":["nothing-fp32-b1",', 1)
    host = FakeHost("t4", first + WHOLE.split(b"\n", 1)[1])
    folder, told = new_folder(tmp_path, "t4"), Told()
    Run.of(folder).measure([host], told)
    why = "(line 1 was refused: 'nothing-fp32-b1' is no case of its plan)"
    assert f"it measures without having said on what {why}" in told.troubles["t4"]
    assert host.sessions[0].killed
    assert verdicts(folder) == ["failed", "failed"]
    with pytest.raises(NoHostError, match="without having said on what"):
        rendering.exit_code(rendering.render(folder).comparison)


def test_a_run_in_which_no_host_started_says_why(tmp_path: Path) -> None:
    stream = lines(factories.failure(None, "load_error", "torch cannot be loaded here: no libc"))
    rendered = rendering.render(measured(tmp_path, FakeHost("local", stream)))
    with pytest.raises(NoHostError, match="torch cannot be loaded here"):
        rendering.exit_code(rendered.comparison)
    assert rendered.page.exists()


def test_the_published_table_renders_all_its_rows(tmp_path: Path) -> None:
    rendered = rendering.render_published(tmp_path)
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
    rows = rendering.render(measured(tmp_path, FakeHost("local", WHOLE))).comparison.rows
    published = rows[1].published
    assert published is not None
    assert (published.gpu, published.torch, published.eager_s) == ("A100", "2.0.1", 0.009325)

"""What a host cannot do to a run by what it sends: the whole line from its bytes to the page."""

from __future__ import annotations

from contextvars import copy_context
from pathlib import Path

import pytest

from harness.contract.plan import Protocol
from harness.contract.records import Finished, Heartbeat, Record, write_line
from orchestrator.cli.progress import NoProgress
from orchestrator.fleet.measuring import Run
from orchestrator.publish import rendering
from orchestrator.records.admission import REFUSALS_KEPT, Allowance
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.fake_host import FakeHost, lines
from tests.integration.replays import (
    DONE,
    FASTER,
    RESNET,
    SLOWER,
    STARTED,
    VIT,
    WHOLE,
    new_folder,
)
from tests.integration.test_command_line import say

BEAT = Heartbeat(case_id=None, stage=None)
ALIEN = factories.measurement(factories.case("detr"))


class Told(NoProgress):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self.troubles: dict[str, str] = {}

    def noted(self, host: str, remark: str) -> None:
        self.remarks.append(remark)

    def ended(self, host: str, trouble: str) -> None:
        self.troubles[host] = trouble


def spoilt(tmp_path: Path, hostile: FakeHost) -> tuple[RunFolder, Told]:
    """A run with one hostile host beside a healthy one, which must come through untouched."""
    folder, told = new_folder(tmp_path, hostile.name, "healthy"), Told()
    Run.of(folder).measure([hostile, FakeHost("healthy", WHOLE)], told)
    assert (folder.path / "records" / "healthy.1.jsonl").read_bytes() == WHOLE
    rows = rendering.render(folder).comparison.rows
    assert [row.verdict for row in rows if row.host == "healthy"] == ["faster", "slower"]
    return folder, told


def rows_of(folder: RunFolder, host: str) -> list[str]:
    return [row.verdict for row in rendering.render(folder).comparison.rows if row.host == host]


def test_a_record_of_a_case_that_was_not_asked_for_is_refused_and_costs_no_other(
    tmp_path: Path,
) -> None:
    folder, told = spoilt(tmp_path, FakeHost("bad", lines(STARTED, ALIEN, FASTER, SLOWER, DONE)))
    assert told.remarks == [
        "record line 2 skipped: 'detr/default/float32/b1' is no case of its plan"
    ]
    assert rows_of(folder, "bad") == ["faster", "slower"]
    assert "is no case of its plan" in (folder.path / "report.html").read_text()


def test_a_result_that_was_refused_is_not_admitted_when_it_is_read_again(tmp_path: Path) -> None:
    """The second attempt has only one case left to measure, and sends both."""
    folder = new_folder(tmp_path)
    Run.of(folder).measure([FakeHost("local", lines(STARTED, FASTER))], NoProgress())
    slow = factories.measurement(RESNET, eager_s=0.010, compiled_s=0.090)
    part = STARTED.model_copy(update={"case_ids": (VIT.case_id,)})
    Run.of(folder).measure([FakeHost("local", lines(part, slow, SLOWER))], NoProgress())
    second = folder.attempts("local")["local.2.jsonl"]
    assert [each.kind for each in second.records] == ["started", "measurement"]
    assert second.remarks == (
        "local.2.jsonl, line 2 skipped: 'resnet-50/default/float32/b1' is no case of its plan",
    )
    assert rows_of(folder, "local") == ["faster", "slower"]


def test_the_first_result_of_a_case_stands(tmp_path: Path) -> None:
    better = factories.measurement(VIT, eager_s=0.010, compiled_s=0.001)
    stream = lines(STARTED, FASTER, SLOWER, better, factories.failure(RESNET), DONE)
    folder, told = spoilt(tmp_path, FakeHost("bad", stream))
    assert rows_of(folder, "bad") == ["faster", "slower"]
    assert len(told.remarks) == 2


def test_a_host_that_replays_anothers_stream_after_its_own_changes_nothing(tmp_path: Path) -> None:
    anothers = [
        record.model_copy(update={"seq": 3 + n}) for n, record in enumerate((STARTED, SLOWER))
    ]
    stream = lines(STARTED, FASTER, SLOWER) + "".join(map(write_line, anothers)).encode()
    folder, told = spoilt(tmp_path, FakeHost("bad", stream))
    assert "may be another host's" in told.remarks[0]
    assert rows_of(folder, "bad") == ["faster", "slower"]


@pytest.mark.parametrize("seq", [10**9, 10**4000])
def test_a_number_from_the_future_does_not_silence_what_follows(tmp_path: Path, seq: int) -> None:
    wild = write_line(BEAT.model_copy(update={"seq": seq})).encode()
    first, *rest = WHOLE.splitlines(keepends=True)
    folder, told = spoilt(tmp_path, FakeHost("bad", b"".join([first, wild, *rest])))
    assert (folder.path / "records" / "bad.1.jsonl").read_bytes() == WHOLE
    assert len(told.remarks) == 1


def test_a_refused_result_with_a_number_from_the_future_does_not_silence_what_follows(
    tmp_path: Path,
) -> None:
    wild = write_line(FASTER.model_copy(update={"seq": 10**9})).replace('"graphs":1', '"graphs":0')
    first, *rest = WHOLE.splitlines(keepends=True)
    folder, _ = spoilt(tmp_path, FakeHost("bad", b"".join([first, wild.encode(), *rest])))
    assert rows_of(folder, "bad") == ["faster", "slower"]


def test_a_number_that_is_infinite_is_no_number(tmp_path: Path) -> None:
    endless = write_line(FASTER).replace('"seq":0', '"seq":1e999').encode()
    folder, _ = spoilt(tmp_path, FakeHost("bad", endless + WHOLE))
    assert rows_of(folder, "bad") == ["faster", "slower"]


def test_a_flood_of_heartbeats_ends_the_host_and_fills_no_disk(tmp_path: Path) -> None:
    protocol = Protocol(case_limit_s=60.0, heartbeat_s=5.0)
    plan = factories.plan([RESNET, VIT], protocol=protocol)
    started = STARTED.model_copy(update={"plan_id": plan.plan_id})
    allowed = Allowance.of(plan).events
    flood = FakeHost("bad", lines(started, FASTER, *[BEAT] * (allowed + 500)))
    folder, told = new_folder(tmp_path, "bad", plan=plan), Told()
    Run.of(folder).measure([flood], told)
    assert 'host "bad" was ended: more than 1,084 heartbeats' in told.troubles["bad"]
    assert flood.sessions[0].killed
    kept = (folder.path / "records" / "bad.1.jsonl").read_bytes()
    assert len(kept.splitlines()) == allowed + 2
    assert rows_of(folder, "bad")[0] == "faster"


def test_a_flood_of_garbage_is_told_of_a_few_times_and_not_kept(tmp_path: Path) -> None:
    folder, told = spoilt(tmp_path, FakeHost("bad", WHOLE[:-1] + b"\n" + b"garbage\n" * 5000))
    assert len(told.remarks) == REFUSALS_KEPT
    assert told.remarks[-1].endswith("of further lines like these nothing is told")
    assert (folder.path / "records" / "bad.1.jsonl").read_bytes() == WHOLE


def test_a_stream_without_end_is_cut_where_no_plan_could_need_it(tmp_path: Path) -> None:
    plan = factories.plan([RESNET], protocol=Protocol(iterations=1, case_limit_s=60.0))
    most = Allowance.of(plan).stream_bytes
    started = factories.started([RESNET], plan_id=plan.plan_id)
    endless = lines(started) + b"x" * (most + 1)
    folder, told = new_folder(tmp_path, "bad", plan=plan), Told()
    host = FakeHost("bad", endless, chunk_bytes=1 << 20)
    Run.of(folder).measure([host], told)
    assert "MiB came, which its plan cannot need" in told.troubles["bad"]
    assert (folder.path / "records" / "bad.1.jsonl").read_bytes() == lines(started)


def test_a_record_file_that_was_filled_by_hand_is_read_within_bounds(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    Run.of(folder).measure([FakeHost("local", WHOLE)], NoProgress())
    path = folder.path / "records" / "local.1.jsonl"
    extra: list[Record] = [
        ALIEN,
        factories.failure(RESNET),
        Finished(plan_id="x", measured=9, failed=9),
    ]
    path.write_bytes(WHOLE + b"".join(write_line(each).encode() for each in extra * 50))
    (outcome,) = folder.outcomes()
    assert list(outcome.measurements) == [RESNET.case_id, VIT.case_id]
    assert outcome.failures == {}
    assert len(outcome.remarks) == REFUSALS_KEPT


def test_a_clock_that_goes_backwards_is_on_the_page(tmp_path: Path) -> None:
    late = FASTER.model_copy(update={"elapsed_s": 90.0})
    stream = lines(STARTED, late, SLOWER.model_copy(update={"elapsed_s": 50.0}), DONE)
    folder, told = spoilt(tmp_path, FakeHost("bad", stream))
    assert told.remarks == [
        "record line 3: its clock went back by 40 s: do not trust what it timed"
    ]
    assert "its clock went back" in (folder.path / "report.html").read_text()


def test_places_are_on_a_page_only_for_who_asks_and_secrets_for_nobody(tmp_path: Path) -> None:
    told = f"no route to 10.0.0.7 from /home/ada/models, token hf_{'a' * 20}"
    failed = factories.failure(VIT, "crash", told)
    folder = new_folder(tmp_path)
    Run.of(folder).measure([FakeHost("local", lines(STARTED, FASTER, failed))], NoProgress())

    def written(*options: str) -> str:
        # In a context of its own: what one command is asked for is not for the next.
        copy_context().run(say, "report", str(folder.path), *options)
        return (folder.path / "report.html").read_text() + (folder.path / "results.md").read_text()

    assert "10.0.0.7" not in written()
    assert "/home/ada" not in written()
    kept = written("--no-redact")
    assert "10.0.0.7 from /home/ada/models" in kept
    assert "hf_aaaa" not in kept

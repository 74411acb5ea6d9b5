"""What older versions wrote reads as what this one would have written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.contract import records
from harness.contract.plan import Plan, read_plan
from harness.contract.records import Measurement
from orchestrator.records.intake import Intake
from orchestrator.records.journal import JobNote, line, read
from orchestrator.records.outcomes import Attempt, HostOutcome, fold
from orchestrator.records.stream import Read

FIXTURES = Path(__file__).parent.parent / "fixtures"
SAMPLE = Path(__file__).parent.parent.parent / "reports" / "sample-quick-cpu"
# A run of version 2 that generated no code, in two modes.
OLD_PLAN = (FIXTURES / "version-2-rehearsal-plan.json").read_bytes()
OLD_STREAM = (FIXTURES / "version-2-rehearsal.jsonl").read_bytes()
TODAYS_IDS = [
    "vit-base/eager/float32/b1",
    "vit-base/aot_eager/float32/b1",
    "vit-base/aot_eager+reduce-overhead/float32/b1",
    "vit-base/aot_eager/tf32/b1",
    "vit-base/aot_eager+reduce-overhead/tf32/b1",
]


def changed(**fields: object) -> str:
    return json.dumps(json.loads(OLD_PLAN) | fields)


def heard(plan: Plan, stream: bytes) -> HostOutcome:
    """What a host delivered, as a run folder reads it; every line has to be a record."""

    def told() -> Iterator[records.Record]:
        intake = Intake(plan)
        for item in (*intake.feed(stream), *intake.end()):
            assert isinstance(item, Read), item
            assert not intake.oddity(item)
            yield item.record

    return fold("local", [Attempt(tuple(told()))], plan.plan_id)


def test_modes_and_a_backend_become_recipes_and_the_plan_keeps_its_id() -> None:
    plan = read_plan(OLD_PLAN)
    assert plan.recipes == ("aot_eager", "aot_eager+reduce-overhead")
    assert (plan.schema_version, plan.upgraded_from) == (3, 2)
    assert (plan.plan_id, plan.backend) == ("120cba0002f14b24", "aot_eager")
    assert [attempt.case_id for attempt in plan.attempts()] == TODAYS_IDS
    assert read_plan(plan.model_dump_json()) == plan, "it is upgraded once"


def test_what_a_plan_of_version_2_skips_stays_skipped() -> None:
    plan = read_plan(changed(skip=["vit-base/reduce-overhead/float32/b1", TODAYS_IDS[0]]))
    assert [attempt.case_id for attempt in plan.attempts()] == [TODAYS_IDS[1], *TODAYS_IDS[3:]]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"seed": 1}, "plan_id '120cba0002f14b24' does not match the content"),
        ({"plan_id": "", "modes": ["slow"]}, "modes: it should list"),
        ({"plan_id": "", "modes": ["aot_eager"]}, "modes: it should list"),
        ({"plan_id": "", "modes": ["cudagraphs"]}, "modes: it should list"),
        ({"plan_id": "", "modes": "default"}, "modes: it should list"),
        ({"plan_id": "", "modes": []}, "modes: it should list"),
        ({"plan_id": "", "modes": [3, None, ["default"]]}, "modes: it should list"),
        ({"plan_id": "", "backend": "aot-eager"}, "backend: it should be 'inductor' or"),
        ({"plan_id": "", "backend": None}, "backend: it should be"),
        ({"plan_id": "", "backend": ["aot_eager"]}, "backend: it should be"),
        ({"backend": "inductor"}, "plan_id '120cba0002f14b24' does not match the content"),
        ({"recipes": ["cudagraphs"]}, "modes"),
        ({"schema_version": True}, "schema_version"),
        ({"schema_version": 2.5}, "schema_version"),
        ({"schema_version": 0}, "modes"),
        ({"plan_id": "", "models": ["vit-base", "vit-base"]}, "models name something twice"),
        ({"plan_id": "", "noise_floor": [3]}, "noise_floor.0"),
        ({"plan_id": "", "noise_floor": {"model": "vit-base"}}, "noise_floor"),
        ({"plan_id": "", "skip": [3]}, "skip.0"),
        ({"plan_id": "", "weight": "random"}, "weight"),
    ],
)
def test_a_plan_of_version_2_is_checked_as_it_was(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_plan(changed(**fields))


def test_what_a_plan_leaves_at_its_defaults_or_writes_otherwise_is_part_of_its_id() -> None:
    shorter = json.loads(OLD_PLAN)
    del shorter["seed"], shorter["protocol"]["case_limit_s"]
    shorter["protocol"]["warmup_max_s"] = 10
    assert read_plan(json.dumps(shorter)).plan_id == "120cba0002f14b24"


@pytest.mark.parametrize("version", [{}, {"schema_version": 1}, {"schema_version": 2}])
def test_recipes_are_never_replaced(version: dict[str, object]) -> None:
    """Of a plan that cannot be read as it stands nothing is taken for one of an older version."""
    text = {
        "kind": "plan", "models": ["vit-base"], "recipes": ["aot_eager"], "plan_id": "x",
        "picture": {"url": ""}, **version,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"plan_id 'x' does not|has no such form"):
        read_plan(json.dumps(text))


@pytest.mark.parametrize(("upgraded_from", "why"), [(2, "does not match"), (99, "upgraded_from")])
def test_nobody_switches_the_check_of_an_id_off(upgraded_from: int, why: str) -> None:
    text = json.loads(read_plan(OLD_PLAN).model_dump_json())
    with pytest.raises(ValueError, match=why):
        read_plan(json.dumps(text | {"upgraded_from": upgraded_from, "plan_id": "bogus"}))


def test_a_stream_of_version_2_tells_of_the_cases_of_today() -> None:
    outcome = heard(read_plan(OLD_PLAN), OLD_STREAM)
    assert list(outcome.measurements) == TODAYS_IDS[:3]
    assert list(outcome.failures) == TODAYS_IDS[3:]
    assert {one.case_id for one in outcome.measurements.values()} == set(TODAYS_IDS[:3])
    assert outcome.ending == "finished"
    assert outcome.remarks == ()


def test_a_result_of_version_2_that_is_refused_is_still_told_by_its_case() -> None:
    spoilt = OLD_STREAM.replace(b'"frames_compiled":1', b'"frames_compiled":0')
    assert spoilt != OLD_STREAM
    intake = Intake(read_plan(OLD_PLAN))
    refused = [item for item in intake.feed(spoilt) if not isinstance(item, Read)]
    assert [item.case_id for item in refused] == TODAYS_IDS[1:3]
    assert "no compiled code ran" in refused[0].why


@pytest.mark.parametrize("backend", [b"", b'"backend":["aot_eager"],', b'"backend":"nope",'])
def test_a_result_of_version_2_whose_backend_is_damaged_is_refused_and_not_missing(
    backend: bytes,
) -> None:
    spoilt = OLD_STREAM.replace(b'"backend":"aot_eager",', backend)
    intake = Intake(read_plan(OLD_PLAN))
    refused = [item for item in intake.feed(spoilt) if not isinstance(item, Read)]
    assert [item.case_id for item in refused] == TODAYS_IDS[1:3]
    assert all("backend" in item.why for item in refused)


def test_jobs_of_version_2_are_those_of_the_cases_of_today() -> None:
    note = JobNote("a100.1.jsonl", "job", "vit-base/reduce-overhead/float32/b1", 1)
    ids = read_plan(OLD_PLAN).former_ids
    assert read([line(note)], ids)["a100.1.jsonl"].case_id == TODAYS_IDS[2]
    assert read([line(note)])["a100.1.jsonl"].case_id == note.case_id


@pytest.mark.parametrize(
    ("plan", "stream", "version"),
    [
        (FIXTURES / "version-1-plan.json", FIXTURES / "version-1.jsonl", 1),
        (SAMPLE / "plan.json", SAMPLE / "records" / "local.1.jsonl", 2),
    ],
)
def test_runs_that_generated_code_keep_the_ids_of_their_cases(
    plan: Path, stream: Path, version: int
) -> None:
    of, old = read_plan(plan.read_bytes()), json.loads(plan.read_bytes())
    assert (of.upgraded_from, of.plan_id) == (version, old["plan_id"])
    assert of.recipes == tuple(old["modes"])
    assert of.former_ids == {}
    outcome = heard(of, stream.read_bytes())
    told = [json.loads(text) for text in stream.read_bytes().splitlines()]
    (case_ids,) = (one["case_ids"] for one in told if one["kind"] == "started")
    assert set(case_ids) == {attempt.case_id for attempt in of.attempts()}
    results = [one for one in told if one["kind"] in ("measurement", "failure")]
    assert len(outcome.measurements) + len(outcome.failures) == len(results) > 0


def test_a_record_of_today_needs_no_upgrade() -> None:
    measured = next(
        record
        for record in map(records.read_record, OLD_STREAM.splitlines())
        if isinstance(record, Measurement)
    )
    assert records.read_record(records.write_line(measured)) == measured


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"3", b'{"kind":"measurement","case":{"mode":["x"]}}', b"[" * 10_000]
)
def test_what_is_no_record_is_still_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        records.read_record(text)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.contract import records
from harness.contract.plan import Case, Picture, Plan, read_plan
from harness.contract.records import Block, Heartbeat, Measurement
from harness.contract.vocabulary import SCHEMA_VERSION, NewerSchemaError
from tests import factories

CASE = Case(model="vit-base", recipe="default", precision="float32", batch_size=16)
FIXTURES = Path(__file__).parent.parent / "fixtures"
SCHEMA = Path(records.__file__).with_name("record.schema.json")


def a_measurement() -> Measurement:
    return factories.measurement(CASE, eager_s=0.02, compiled_s=0.01)


def test_the_case_id_joins_what_was_measured() -> None:
    assert CASE.case_id == "vit-base/default/float32/b16"


def test_a_record_survives_the_way_over_the_wire() -> None:
    measurement = a_measurement()
    line = records.write_line(measurement)
    assert line.count("\n") == 1
    assert records.read_record(line) == measurement


def test_a_plan_survives_the_way_over_the_wire() -> None:
    plan = Plan(models=("vit-base",), picture=Picture(url="http://example.org/cat.jpg"))
    assert read_plan(plan.model_dump_json()) == plan


def test_a_plan_whose_content_was_changed_no_longer_matches_its_id() -> None:
    plan = Plan(models=("vit-base",), picture=Picture(url=""))
    changed = plan.model_dump_json().replace("vit-base", "resnet-50")
    with pytest.raises(ValueError, match="does not match the content"):
        read_plan(changed)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -0.001, "0.1", None, True])
def test_a_sample_that_is_no_positive_number_cannot_be_written(value: object) -> None:
    with pytest.raises(ValueError, match="samples_s"):
        Block(variant="eager", samples_s=(0.1, value))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1.0", '"0.1"', "null", "0"])
def test_a_sample_that_is_no_positive_number_cannot_be_read(text: str) -> None:
    first = str(a_measurement().blocks[0].samples_s[0])
    line = records.write_line(a_measurement()).replace(first, text, 1)
    with pytest.raises(ValueError, match="samples_s"):
        records.read_record(line)


def test_a_field_that_the_contract_does_not_know_is_refused() -> None:
    line = json.dumps(json.loads(records.write_line(a_measurement())) | {"speed_up": 99})
    with pytest.raises(ValueError, match="speed_up"):
        records.read_record(line)


def test_a_measurement_needs_blocks_of_both_variants() -> None:
    content = json.loads(records.write_line(a_measurement()))
    content["blocks"] = [block for block in content["blocks"] if block["variant"] == "eager"]
    with pytest.raises(ValueError, match="both variants"):
        records.read_record(json.dumps(content))


def test_device_times_must_match_the_samples() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Block(variant="eager", samples_s=(0.1, 0.1), device_s=(0.1,))


def test_a_newer_plan_is_refused_with_a_sentence() -> None:
    newer = f'{{"kind": "plan", "schema_version": {SCHEMA_VERSION + 1}, "anything": {{}}}}'
    with pytest.raises(NewerSchemaError, match="update this checkout"):
        read_plan(newer)


def test_what_version_1_wrote_reads_as_version_2_that_lacks_what_came_since() -> None:
    lines = (FIXTURES / "version-1.jsonl").read_bytes().splitlines()
    read = [records.read_record(line) for line in lines]
    assert [record.seq for record in read] == list(range(len(read)))
    (measured,) = (record for record in read if isinstance(record, Measurement))
    assert measured.blocks[0].enqueue_s is None
    assert measured.eager_busy_s is None
    assert not measured.stopped_early


def test_a_plan_of_version_1_keeps_its_id_and_its_cases_also_when_written_again() -> None:
    plan = read_plan((FIXTURES / "version-1-plan.json").read_bytes())
    assert (plan.upgraded_from, plan.plan_id) == (1, "a3ffc3e86ab7bc17")
    assert len(plan.attempts()) == 4
    assert plan.protocol.until is None
    assert read_plan(plan.model_dump_json()) == plan


def test_a_a_cases_run_around_the_others_and_are_none_of_the_comparison() -> None:
    light, heavy = (factories.case(model, recipe="eager") for model in ("resnet-50", "vit-base"))
    plan = factories.plan([CASE], noise_floor=(light, heavy))
    assert [attempt.case for attempt in plan.attempts()] == [light, CASE, heavy]
    assert list(plan.all_cases()) == [CASE]
    with pytest.raises(ValueError, match='the recipe "eager"'):
        factories.plan([CASE], noise_floor=(CASE,))


def test_every_case_but_an_a_a_case_has_proof_that_it_was_compiled() -> None:
    content = json.loads(records.write_line(a_measurement()))
    with pytest.raises(ValueError, match="compile_evidence"):
        records.read_record(json.dumps(content | {"compile_evidence": None}))
    of_a_a = factories.measurement(factories.case(recipe="eager"))
    assert records.read_record(records.write_line(of_a_a)) == of_a_a


def test_records_cannot_be_changed() -> None:
    beat = Heartbeat(case_id=None, stage=None)
    with pytest.raises(ValueError, match="frozen"):
        beat.seq = 3


def test_the_schema_that_is_checked_in_is_the_one_the_code_gives() -> None:
    assert json.loads(SCHEMA.read_text()) == records.json_schema(), "run: make schema"


def test_a_default_measurement_is_small_enough_to_keep_every_sample() -> None:
    assert len(records.write_line(a_measurement())) < 20_000


@pytest.mark.parametrize(
    ("part", "change", "sentence"),
    [
        ("compile_evidence", {"graphs": 0}, "no compiled code ran"),
        ("compile_evidence", {"recompiles_while_timing": 7}, "compiled while timing"),
        ("agreement", {"relative_error": 5.0}, "does not agree"),
    ],
)
def test_a_measurement_without_its_proof_is_none(
    part: str, change: dict[str, object], sentence: str
) -> None:
    content = json.loads(records.write_line(a_measurement()))
    content[part] |= change
    with pytest.raises(ValueError, match=sentence):
        records.read_record(json.dumps(content))


def test_blocks_that_do_not_pair_up_are_no_measurement() -> None:
    content = json.loads(records.write_line(a_measurement()))
    content["blocks"].pop()
    with pytest.raises(ValueError, match="in pairs of the same length"):
        records.read_record(json.dumps(content))


@pytest.mark.parametrize("sample_s", [1e308, 5e-324])
def test_a_sample_that_no_clock_can_have_seen_is_refused(sample_s: float) -> None:
    with pytest.raises(ValueError, match="samples_s"):
        Block(variant="eager", samples_s=(0.1, sample_s))

from __future__ import annotations

import pytest

from benchmarks import share
from harness.contract.parts import Energy, EnergyUse
from harness.contract.records import CaseStarted, Finished, Record
from tests import factories


def test_the_parts_of_a_run_add_up_to_its_length() -> None:
    measured = factories.measurement().model_copy(
        update={"stage_s": {"build": 2.0, "compile": 30.0, "measure": 8.0}}
    )
    records: list[Record] = [
        CaseStarted(case_id=measured.case_id, stage="build", elapsed_s=6.0),
        measured.model_copy(update={"elapsed_s": 47.0}),
        Finished(plan_id="", measured=1, failed=0, elapsed_s=48.0),
    ]
    spent = share.spent(records)
    assert sum(spent.values()) == pytest.approx(48.0)
    assert spent["until the first case"] == 6.0
    assert spent["between cases"] == pytest.approx(2.0)
    assert spent["compile"] == 30.0
    samples_s = sum(sum(block.samples_s) for block in measured.blocks)
    assert spent["timed inference"] == pytest.approx(samples_s)
    assert spent["beside the samples"] == pytest.approx(8.0 - samples_s)


def test_inference_for_the_energy_counter_is_no_timed_inference() -> None:
    use = EnergyUse(joules=100.0, images=50, seconds=10.0)
    measured = factories.measurement().model_copy(
        update={"stage_s": {"measure": 30.0}, "energy": Energy(eager=use, compiled=use)}
    )
    spent = share.spent([measured.model_copy(update={"elapsed_s": 40.0})])
    assert spent[share.ENERGY] == 20.0
    assert sum(spent.values()) == pytest.approx(40.0)


def test_a_stream_without_its_end_and_an_empty_one_are_read_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    share.report(share.spent([]))
    assert "nothing measured" in capsys.readouterr().out
    begun = CaseStarted(case_id="a", stage="build", elapsed_s=6.0)
    share.report(share.spent([begun, begun.model_copy(update={"elapsed_s": 9.0})]))
    assert "not compile, warm-up or timed inference: 100.0%" in capsys.readouterr().out

from __future__ import annotations

import pytest

from benchmarks import share
from harness.records import CaseStarted, Finished, Record
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

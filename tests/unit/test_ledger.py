from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "some.jsonl")


def test_what_ended_has_its_last_result(ledger: Ledger) -> None:
    ledger.begin("a")
    ledger.keep("a", value=1)
    ledger.keep("a", value=2)
    assert ledger.results()["a"]["value"] == 2
    assert ledger.complete() is None
    ledger.close("it broke")
    assert (ledger.complete() or {})["error"] == "it broke"


def test_half_a_line_that_a_killed_process_left_costs_that_line_alone(ledger: Ledger) -> None:
    ledger.keep("a", value=1)
    with ledger.path.open("ab") as file:
        file.write(b'{"result": "b", "val')
    ledger.keep("c", value=3)
    assert list(ledger.results()) == ["a", "c"]


def test_what_is_under_way_has_begun_in_this_process_and_not_ended(ledger: Ledger) -> None:
    began_s = time.time()
    ledger.begin("a")
    ledger.keep("a")
    assert ledger.under_way(began_s) is None, "it has ended"
    ledger.begin("b")
    name, had_s = ledger.under_way(began_s) or ("", -1.0)
    assert name == "b"
    assert 0 <= had_s < 10
    assert ledger.under_way(time.time() + 1) is None, "begun by a process that was killed"


def test_what_ran_out_of_time_needs_more_than_it_had(ledger: Ledger) -> None:
    ledger.run_out("a", 100)
    ledger.run_out("a", 40)
    assert not ledger.may_begin("a", 100)
    assert not ledger.may_begin("a", 105), "no more than that by accident"
    assert ledger.may_begin("a", 120)
    assert ledger.may_begin("b", 1)
    ledger.keep("a")
    assert ledger.in_vain_s() == {}

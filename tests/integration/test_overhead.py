"""The harness beside other instruments: what is written down of each, and by which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import gpu_checks, other_instruments
from benchmarks.ledger import Ledger
from benchmarks.other_instruments import InstrumentError, Ratio


def test_an_instrument_that_fails_is_written_down_and_the_next_one_is_asked(
    tmp_path: Path,
) -> None:
    def broken() -> Ratio:
        raise InstrumentError("the profiler saw no kernel")

    ledger = Ledger(tmp_path / "overhead.jsonl")
    compared = {"first": broken, "second": lambda: Ratio(1.0, 0.1, 30)}
    other_instruments.keep(ledger, compared, left_s=60)
    found = ledger.results()
    assert found["first"]["error"] == "InstrumentError: the profiler saw no kernel"
    assert found["second"].items() >= {"value": 1.0, "spread": 0.1, "rounds": 30}.items()


def test_what_the_file_holds_is_not_measured_again(tmp_path: Path) -> None:
    def again() -> Ratio:
        raise AssertionError("this was measured before")

    ledger = Ledger(tmp_path / "overhead.jsonl")
    other_instruments.keep(ledger, {"first": lambda: Ratio(1.0, 0.1, 30)}, left_s=60)
    before = ledger.path.read_text()
    other_instruments.keep(ledger, {"first": again}, left_s=60)
    assert ledger.path.read_text() == before


def test_more_rounds_narrow_what_a_ratio_leaves_open() -> None:
    few = other_instruments.summary([0.9, 1.0, 1.1, 1.0, 0.95])
    many = other_instruments.summary([0.9, 1.0, 1.1, 1.0, 0.95] * 4)
    assert few.value == many.value == 1
    assert many.spread == pytest.approx(few.spread / 2)
    assert (few.rounds, many.rounds) == (5, 20)


def test_the_real_instruments_have_the_names_that_the_check_of_a_gpu_knows() -> None:
    compared = other_instruments.comparisons("tiny", rounds=9)
    assert compared.keys() <= gpu_checks.INSTRUMENT_TOLERANCE.keys()
    assert {"wall / bare loop", "wall / torch.utils.benchmark"} <= compared.keys()
    ratio = compared["wall / bare loop"]()
    assert ratio.value > 0, "how near to 1 is for a quiet machine to say"
    assert ratio.rounds == 9

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from orchestrator.errors import RunError
from orchestrator.page.exports import to_json, values_of
from orchestrator.page.metrics import COLUMNS
from orchestrator.page.sections import cards
from orchestrator.publish import rendering
from orchestrator.records.rundir import RunFolder
from tests.browser.runs import mixed
from tests.factories import plan

NOW = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)


def test_a_price_becomes_dollars_per_million_images() -> None:
    run = mixed({"a100": 3.6})
    row = run.rows[0]
    assert row.eager is not None
    assert row.compiled is not None
    assert row.cost_per_million_images == pytest.approx(
        (row.eager.mean.value * 1000, row.compiled.mean.value * 1000)
    )
    named = dict(zip(COLUMNS, values_of(row), strict=True))
    assert named["eager_usd_per_million_images"] == row.cost_per_million_images[0]
    assert json.loads(to_json(run))["hosts"][0]["price_per_hour_usd"] == 3.6


def test_a_batch_shares_the_cost_of_its_call() -> None:
    one, four = (row for row in mixed({"a100": 3.6}).rows[:2])
    assert one.cost_per_million_images is not None
    assert four.cost_per_million_images is not None
    assert four.cost_per_million_images[0] == pytest.approx(
        one.cost_per_million_images[0] / 4, rel=0.01
    )


def test_without_a_price_nothing_is_said_of_cost() -> None:
    run = mixed({"a100": 3.6})
    priced, free = (dict(card.facts) for card in cards(run))
    assert priced["Price"] == "3.60\N{NO-BREAK SPACE}USD per hour"
    assert "per million images" in priced["Cheapest"]
    assert "Price" not in free
    assert run.rows[-1].cost_per_million_images is None


def test_prices_are_kept_in_the_run_folder(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, plan(), ["a100", "t4"], "x", NOW, {"a100": 3.67})
    assert RunFolder.find(tmp_path, folder.path.name).meta().prices_per_hour == {"a100": 3.67}
    assert rendering.render(folder).comparison.hosts[0].price_per_hour == 3.67


def test_a_run_from_before_prices_has_none(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, plan(), ["a100"], "x", NOW)
    file = folder.path / "run.json"
    fields = json.loads(file.read_text())
    del fields["prices_per_hour"]
    file.write_text(json.dumps(fields))
    assert folder.meta().prices_per_hour == {}


@pytest.mark.parametrize("price", [0, -1, "free", None, "inf"])
def test_a_price_that_is_none_is_named(tmp_path: Path, price: object) -> None:
    folder = RunFolder.create(tmp_path, plan(), ["a100"], "x", NOW)
    file = folder.path / "run.json"
    fields = json.loads(file.read_text()) | {"prices_per_hour": {"a100": price}}
    file.write_text(json.dumps(fields))
    with pytest.raises(RunError, match=r"cannot read .*run\.json"):
        folder.meta()

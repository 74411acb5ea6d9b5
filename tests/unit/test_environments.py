"""In what the nodes of a pool differ, and where a page says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.changes import change_tables, changes
from orchestrator.changes.change_tables import Surroundings
from orchestrator.compare import environments
from orchestrator.compare.comparison import Comparison, HostSummary
from orchestrator.page import caveats, environment_table
from orchestrator.page.environment_table import EnvironmentLine
from orchestrator.page.exports import to_json, values_of
from orchestrator.page.metrics import COLUMNS
from orchestrator.publish.report import render
from orchestrator.records.outcomes import Origin
from tests.factories import case, comparison, environment, measurement, outcome

OTHER = case(batch_size=4)


def card(uuid: str, **changes: object) -> object:
    return environment().device.model_copy(update={"uuid": uuid, **changes})


def pool(*devices: object) -> Comparison:
    origins = {
        case().case_id: Origin("0a1b2c3d4e5f", "GPU-2", 2),
        OTHER.case_id: Origin("b", "GPU-1", 1),
        "failed/default/float32/b1": Origin("c", "GPU-3", 1),
    }
    found = outcome("a100", measurement(case()), measurement(OTHER))
    told = tuple(environment(device=device) for device in devices)
    return comparison(replace(found, environments=told, origins=origins))


def test_cards_of_one_kind_are_one_environment() -> None:
    alike = [environment(device=card("GPU-1")), environment(device=card("GPU-2"))]
    assert len(environments.distinct(alike)) == 1
    assert environments.differing(alike) == ()


def test_what_differs_is_named_with_its_values() -> None:
    found = pool(card("GPU-1"), card("GPU-2", driver="535.183.01"))
    (host,) = found.hosts
    assert host.differing == ("GPU driver (580.95.05 and 535.183.01)",)
    assert host.workers == 2
    said = caveats.of_host(host, None)
    assert any(each.startswith("Its nodes differ in GPU driver") for each in said)
    page = render(found)
    assert "Its nodes differ in GPU driver" in page
    assert "a100 spread its cases over 2 GPUs of a cluster" in page


def test_alike_nodes_are_no_caveat() -> None:
    (host,) = pool(card("GPU-1"), card("GPU-2")).hosts
    assert host.environments == 1
    assert not any("differ" in each for each in caveats.of_host(host, None))


def test_a_row_tells_its_node_its_card_and_its_try() -> None:
    row = pool(card("GPU-1")).rows[0]
    named = dict(zip(COLUMNS, values_of(row), strict=True))
    assert (named["node"], named["gpu_uuid"], named["attempt"]) == ("0a1b2c3d4e5f", "GPU-2", 2)


def begun(start: str | None) -> Comparison:
    known = environment() if start is None else environment(process_start=start)
    return comparison(outcome("a100", measurement(), of=known))


def line_of(hosts: Sequence[HostSummary]) -> EnvironmentLine | None:
    lines = {line.name: line for line in environment_table.environment_lines(hosts)}
    return lines.get("Case processes")


def test_how_case_processes_began_is_on_the_page_and_in_the_export_where_it_is_known() -> None:
    for start, words in (("fork", "forked"), ("spawn", "started anew")):
        line = line_of(begun(start).hosts)
        assert line is not None
        assert line.values == (words,)
        assert words in render(begun(start))
        (host,) = json.loads(to_json(begun(start)))["hosts"]
        assert host["process_start"] == start
    assert line_of(begun(None).hosts) is None
    assert "process_start" not in to_json(begun(None))


def test_two_ways_of_starting_case_processes_are_a_difference_between_runs() -> None:
    def around(before: str | None, after: str | None) -> Surroundings:
        (pair,) = change_tables.surroundings(changes.between(begun(before), begun(after)))
        return pair

    (line,) = around("spawn", "fork").differing
    assert (line.name, line.values) == ("Case processes", ("started anew", "forked"))
    assert around("fork", "fork").differing == ()
    earlier = around(None, "fork")  # whose records did not tell
    assert earlier.differing == ()
    assert {line.name: line.values for line in earlier.apart}["Case processes"] == (
        "not recorded",
        "forked",
    )

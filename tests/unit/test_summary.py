"""What the terminal says fits it, and nothing in it is broken into pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contract import catalogue
from orchestrator.cli import summary
from tests.factories import case, comparison, failure, measurement, on_gpu, outcome

PAGE = Path("report.html")
RUN = comparison(
    outcome(
        "a100",
        measurement(case("conditional-detr-resnet-50"), noise=0.01),
        failure(case("resnet-50"), "oom"),
    )
)


@pytest.mark.parametrize("width", [50, 60, 80, 100, 140])
def test_the_summary_is_no_wider_than_the_terminal_and_keeps_its_verdicts(width: int) -> None:
    text = summary.to_text(RUN, PAGE, width)
    assert max(map(len, text.splitlines())) <= width
    assert "▲ faster" in text
    assert "✕ failed: OOM" in text
    assert "Conditional-DETR" in text


def test_a_wider_terminal_shows_more_and_a_pipe_everything() -> None:
    headings = ("Speed-up", "95 % interval", "Compiled", "Break-even")
    shown = {
        width: sum(heading in summary.to_text(RUN, PAGE, width) for heading in headings)
        for width in (60, 80, None)
    }
    assert shown[60] < shown[80] < shown[None] == len(headings)


def test_a_noise_floor_that_is_missing_is_told_because_it_costs_the_exit_code() -> None:
    control = failure(case(recipe="eager"), "crash", "killed by SIGKILL")
    told = "a100: eager against eager is missing: killed by SIGKILL"
    lacking = comparison(outcome("a100", measurement(), control))
    assert told in summary.to_text(lacking, PAGE, None)
    lost = comparison(outcome("a100", failure(case()), control))
    assert told not in summary.to_text(lost, PAGE, None)  # the table says enough


def test_clocks_that_were_held_down_are_told_because_no_number_tells_them() -> None:
    hot = on_gpu(measurement(), throttle=("hardware thermal slowdown",), retaken=3)
    text = summary.to_text(comparison(outcome("a100", hot)), PAGE, None).replace("\xa0", " ")
    assert "a100: Taken again because throttling disturbed them: 3 blocks." in text
    assert "a100: Clocks held down in 100 % of blocks: hardware thermal slowdown." in text
    assert "Clocks" not in summary.to_text(RUN, PAGE, None)


@pytest.mark.parametrize("width", [20, 80, None])
def test_the_catalogue_gives_every_name_in_one_piece(width: int | None) -> None:
    text = summary.catalogue_table(width)
    for model in catalogue.CATALOGUE:
        assert model.name in text
        assert model.hub_id in text

"""Reading the page: without a script, on a phone, on paper, in the dark, by other means."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page
from pypdf import PdfReader

from orchestrator.compare.comparison import Comparison
from orchestrator.compare.published_table import build_published
from tests.browser import runs
from tests.browser.conftest import Open, overflowing, shown, violations
from tests.factories import case, comparison, measurement, outcome

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 768, 1280)


def widths(page: Page, selector: str) -> list[float]:
    boxes = (each.bounding_box() for each in page.locator(selector).all())
    return [box["width"] for box in boxes if box is not None]


def six_sizes() -> Comparison:
    sizes = (1, 2, 4, 8, 16, 32, 64, 128)
    records = [measurement(case(model, size)) for model in runs.MODELS for size in sizes]
    return comparison(outcome("a100", *records), outcome("t4", *records))


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways(show: Open, width: int) -> None:
    assert overflowing(show(runs.mixed(), width=width)) == []


def test_many_batch_sizes_fit_a_phone(show: Open) -> None:
    page = show(six_sizes(), width=320)
    assert overflowing(page) == []
    assert len(shown(page, ".heat thead th")) == 16


@pytest.mark.parametrize("width", [320, 1280])
def test_a_long_name_without_a_break_fits(show: Open, width: int) -> None:
    name = "x" * 200
    run = comparison(outcome(name, measurement(case(name)), measurement(case(name, 4))))
    assert overflowing(show(run, width=width)) == []


def test_a_long_name_of_a_run_or_a_model_or_a_fact_fits_a_phone(show: Open) -> None:
    assert overflowing(show(runs.hostile("x" * 200), width=320)) == []


def test_without_a_script_everything_is_there_and_the_switch_works(show: Open) -> None:
    page = show(runs.mixed(), java_script_enabled=False)
    assert shown(page, "h1") == ["It depends: check your model on A100-SXM4-40GB and T4"]
    assert len(shown(page, ".heat td a")) == 12
    assert len(shown(page, ".results tbody tr")) == 12
    assert shown(page, "#results > p") == [
        "24 cases in all; the table has those of the mode chosen above. Below a value stands its "
        "95 % interval."
    ]
    assert len(shown(page, ".plot")) == 4
    page.locator("label[for=mode-1]").click()
    assert shown(page, ".map h3") == ["Mode reduce-overhead in float32"]
    assert len(shown(page, ".results tbody tr")) == 12
    page.locator("label[for=mode-all]").click()
    assert len(shown(page, ".heat td a")) == 24
    assert shown(page, "select, .tools button, .get, [data-reset]") == []


def test_without_a_script_a_cell_leads_to_its_line_and_a_failed_one_to_its_reason(
    show: Open,
) -> None:
    page = show(runs.mixed(), java_script_enabled=False)
    page.locator(".heat td a").first.click()
    assert page.url.endswith("#r0")
    page.locator(".heat td a.failed").first.click()
    assert page.url.endswith("#p0")


def test_bars_are_as_long_as_their_times(show: Open) -> None:
    run = runs.of_speed_ups(2.0, 0.5, 1.25)
    page = show(run)
    eager, compiled = widths(page, ".plot .eager rect"), widths(page, ".plot .compiled rect")
    for row, before, after in zip(run.rows, eager, compiled, strict=True):
        assert row.speed_up is not None
        assert before / after == pytest.approx(row.speed_up.value, rel=0.01)
    saved = widths(page, ".plot .faster rect, .plot .slower rect")
    assert saved[0] / saved[2] == pytest.approx(0.5 / 0.2, rel=0.01)
    assert saved[1] / saved[0] == pytest.approx(1 / 0.5, rel=0.01)


@pytest.mark.parametrize("run", [runs.mixed({"a100": 3.0}), build_published()])
def test_verdict_and_map_are_on_the_first_printed_page(
    show: Open, tmp_path: Path, run: Comparison
) -> None:
    page = show(run)
    file = tmp_path / "page.pdf"
    page.pdf(path=file, prefer_css_page_size=True, print_background=True)
    texts = [" ".join(each.extract_text().split()) for each in PdfReader(file).pages]
    first = texts[0]
    assert shown(page, "h1")[0] in first
    for cell in shown(page, ".heat td a"):
        assert cell.split()[-2] in first
    assert "Inference duration" in texts[1]
    assert len(texts) <= 10


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(show: Open, theme: str) -> None:
    page = show(runs.mixed({"t4": 0.5}), "#host=t4&model=vit-base", color_scheme=theme)
    assert violations(page) == []
    if theme == "light":
        page.locator(".heat a").filter(visible=True).first.click()
        assert violations(page) == []


def test_the_theme_can_be_chosen_and_is_dark_where_the_system_is(show: Open) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page = show(runs.mixed(), color_scheme="dark")
    assert page.evaluate(paper) == "rgb(20, 23, 26)"
    page.click("[data-theme-switch]")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


def test_with_forced_colours_bars_and_choices_can_still_be_told_apart(show: Open) -> None:
    page = show(runs.mixed(), forced_colors="active")
    fill = "e => getComputedStyle(e).fill"
    eager = page.locator(".plot .eager rect").first.evaluate(fill)
    compiled = page.locator(".plot .compiled rect").first.evaluate(fill)
    assert eager != compiled
    border = "e => getComputedStyle(e).borderTopStyle"
    assert page.locator(".heat td a").first.evaluate(border) != "none"
    back = "e => getComputedStyle(e).backgroundColor"
    chosen = page.locator("label[for=mode-0]").evaluate(back)
    assert chosen != page.locator("label[for=mode-1]").evaluate(back)


@pytest.mark.parametrize(
    ("run", "headline", "cells"),
    [
        (runs.of_speed_ups(1.5, 1.2), "Yes, in every case on A100-SXM4-40GB", 2),
        (runs.of_speed_ups(0.5, 0.7), "No, not on A100-SXM4-40GB", 2),
        (runs.of_speed_ups(1.5), "Yes, for model-0 at batch 1 on A100-SXM4-40GB", 1),
        (runs.failed(), "Nothing could be compared on A100-SXM4-40GB", 2),
        (runs.nothing(), "Nothing was measured on t4", 1),
    ],
)
def test_every_verdict_has_a_page(show: Open, run: Comparison, headline: str, cells: int) -> None:
    page = show(run)
    assert shown(page, "h1") == [headline]
    assert len(shown(page, ".heat td a")) == cells
    page.locator(".heat td a").first.click()
    assert page.locator("#case").is_visible()

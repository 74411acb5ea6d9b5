"""Choosing a GPU and a model: filters, the sentence that answers, state in the URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from orchestrator.page.charts import Chart, durations
from orchestrator.page.sections import of_setting
from tests.browser import runs
from tests.browser.conftest import Open, shown

pytestmark = pytest.mark.browser


def test_the_page_opens_on_the_first_mode_and_says_so(show: Open) -> None:
    page = show(runs.mixed())
    assert shown(page, ".map h3") == ["Mode default in float32"]
    assert shown(page, ".shown") == ["12 of 24 cases"]
    assert len(shown(page, ".results tbody tr")) == 12
    assert shown(page, ".selection p")[0].startswith(
        "12 of 24 cases: 8 faster, 1 slower, 2 same, 1 failed;"
    )


def test_another_mode_changes_map_bars_and_results_together(show: Open) -> None:
    page = show(runs.mixed())
    page.get_by_text("reduce-overhead", exact=True).first.click()
    assert shown(page, ".map h3") == ["Mode reduce-overhead in float32"]
    assert {text.split(" · ")[1] for text in shown(page, ".group summary")} == {
        "mode reduce-overhead"
    }
    modes = {row.split()[2] for row in shown(page, ".results tbody tr")}
    assert modes == {"reduce-overhead"}


def test_one_gpu_and_one_model_are_answered_case_by_case(show: Open) -> None:
    page = show(runs.mixed({"t4": 0.5}))
    page.select_option("[data-filter=host]", "t4")
    page.select_option("[data-filter=model]", "vit-base")
    first, second = shown(page, ".selection li")
    assert first.startswith("ViT, batch 1, default, float32 on T4: faster; 1.50× (1.50× to 1.50×);")
    assert "pays for itself after 9,01" in first
    assert "1.39 → 0.93 USD per million images." in first
    assert second.startswith("ViT, batch 4, default, float32 on T4: failed (OOM).")
    assert shown(page, ".heat caption") == ["T4"]
    assert shown(page, ".heat tbody th") == ["ViT"]
    assert shown(page, ".card h2") == ["A100-SXM4-40GB", "T4"]


def test_a_selection_without_a_case_says_so(show: Open) -> None:
    page = show(runs.mixed(), "#host=a100&verdict=failed")
    assert shown(page, ".selection p") == ["No case matches this selection."]


def test_choices_are_written_to_the_address_and_reset_clears_them(show: Open) -> None:
    page = show(runs.mixed())
    page.select_option("[data-filter=batch_size]", "4")
    page.locator("label[for=mode-all]").click()
    assert page.evaluate("location.hash") == "#mode=all&batch_size=4"
    page.click("[data-reset]")
    assert page.evaluate("location.hash") == ""
    assert shown(page, ".shown") == ["12 of 24 cases"]


def test_an_address_restores_its_choices_and_ignores_what_there_is_not(show: Open) -> None:
    page = show(runs.mixed(), "#mode=reduce-overhead&host=t4&model=nothing&verdict=faster")
    assert page.input_value("[data-filter=host]") == "t4"
    assert page.input_value("[data-filter=model]") == ""
    assert page.is_checked("#mode-1")
    assert shown(page, ".shown") == ["3 of 24 cases"]
    page.evaluate("location.hash = '#host=a100'")
    page.wait_for_function("document.querySelector('[data-filter=host]').value === 'a100'")
    assert page.is_checked("#mode-0")


def test_headings_sort_both_ways(show: Open) -> None:
    page = show(runs.of_speed_ups(1.5, 0.8, 2.0))
    heading = page.get_by_role("button", name="Speed-up")
    heading.click()
    assert [row.split()[0] for row in shown(page, ".results tbody tr")] == [
        "model-1", "model-0", "model-2",
    ]  # fmt: skip
    heading.click()
    assert shown(page, ".results tbody tr")[0].startswith("model-2")


def test_a_filter_takes_away_the_heading_of_what_it_hides(show: Open) -> None:
    page = show(runs.mixed())
    assert shown(page, "#failed-title") == ["What failed, and why"]
    page.select_option("[data-filter=host]", "a100")
    assert shown(page, "#failed-title") == []
    page.click("[data-reset]")
    assert shown(page, "#failed-title") == ["What failed, and why"]


def test_a_large_run_is_paged_and_its_charts_are_drawn_when_opened(show: Open) -> None:
    run = runs.large()
    page = show(run)
    assert shown(page, ".pages span") == ["1 to 200 of 380"]
    page.click("[data-page='1']")
    assert shown(page, ".pages span") == ["201 to 380 of 380"]
    assert page.locator(".results tbody tr").count() == 180
    assert page.locator(".plot").count() == 0
    page.click(".group summary")
    assert page.locator(".plot svg[data-i]").count() == 2 * 380
    assert rectangles(page) == rectangles_of(durations(of_setting(run.rows, MODE)))
    with page.expect_download() as started:
        page.locator(".get").first.click()
    svg = Path(started.value.path()).read_text(encoding="utf-8")
    assert svg.count("<path") == 2 * 380  # an interval per bar
    page.select_option("[data-filter=model]", "org/model-7")
    assert shown(page, ".pages span") == ["1 to 1 of 1"]


MODE = ("default", "float32")


def rectangles(page: Page) -> list[str]:
    """The widths of the bars in the first chart."""
    return (
        page.locator(".plot")
        .first.locator("g rect")
        .evaluate_all("bars => bars.map((bar) => bar.getAttribute('width'))")
    )


def rectangles_of(chart: Chart) -> list[str]:
    return [f"{bar.width:g}%" for line in chart.lines for bar in line.bars]

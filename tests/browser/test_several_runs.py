"""The pages about several runs: what changed between two, and the list of all with its trends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pypdf import PdfReader

from harness.contract.records import Failure, Measurement
from orchestrator.changes.changes import between
from orchestrator.compare.comparison import Comparison
from orchestrator.publish import change_page, index_page
from orchestrator.publish.results import (
    HostHeader,
    LeftOut,
    ResultRow,
    Results,
    RunHeader,
    RunOnDisk,
)
from tests.browser import runs
from tests.browser.conftest import Open, overflowing, shown, violations
from tests.factories import case, comparison, environment, failure, measurement, outcome

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 768, 1280)


def one_run(scale: float, torch: str) -> Comparison:
    """Two GPUs; the first case changes by a factor, the last one is missing from later runs."""
    cases = [case(model, size) for model in runs.MODELS for size in runs.SIZES]
    records: list[Measurement | Failure] = [
        runs.scattered(measurement(each, compiled_s=0.008 * (1 if place else scale)), place)
        for place, each in enumerate(cases)
    ]
    if scale > 1:
        records[1:] = [failure(cases[1]), *records[2:-1]]
    return comparison(
        *(
            outcome(host, *records, of=environment(gpu, torch=torch))
            for host, gpu in runs.GPUS.items()
        )
    )


def compared() -> str:
    before, after = one_run(1.0, "2.13.0"), one_run(1.3, "2.14.0")
    return change_page.render(between(named(before, "monday"), named(after, "x" * 80)))


def named(run: Comparison, folder: str) -> Comparison:
    return replace(run, run=replace(run.run, folder=folder))


def on_disk(name: str, speed_up: float, torch: str) -> RunOnDisk:
    answer, created = f"Yes, in most cases on T4: {name}", "2026-11-23T10:00:00+00:00"
    header = RunHeader(run_id=name, created=created, answer=answer, plan_id="p")
    rows = tuple(
        ResultRow(
            host="t4", gpu="Tesla T4", model=model, label=model, mode="default",
            precision="float32", batch_size=1, verdict="faster", speed_up=speed_up,
            speed_up_low=speed_up - 0.1, speed_up_high=speed_up + 0.1,
        )
        for model in runs.MODELS
    )  # fmt: skip
    hosts = (HostHeader(host="t4", gpu="Tesla T4", torch=torch),)
    return RunOnDisk(name, Results(run=header, hosts=hosts, rows=rows), has_page=True)


def listed() -> str:
    found = (
        on_disk("2026-11-24-0415-a100-with-a-long-name-that-does-not-break", 1.6, "2.14.0"),
        on_disk("friday", 1.3, "2.13.0"),
        on_disk("monday", 1.4, "2.13.0"),
    )
    return index_page.render(found, (LeftOut("notes", "no run: it has no results.json"),))


PAGES = {"compare": compared(), "index": listed()}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways(open_page: Open, name: str, width: int) -> None:
    assert overflowing(open_page(PAGES[name], width=width)) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Open, name: str, theme: str) -> None:
    page = open_page(PAGES[name], color_scheme=theme)
    for closed in page.locator("details > summary").all():
        closed.click()
    assert violations(page) == []


def printed(page: Page, folder: Path) -> list[str]:
    file = folder / "page.pdf"
    page.pdf(path=file, prefer_css_page_size=True, print_background=True)
    return [" ".join(each.extract_text().split()) for each in PdfReader(file).pages]


def test_what_changed_is_printed_whole_from_the_first_page_on(
    open_page: Open, tmp_path: Path
) -> None:
    page = open_page(PAGES["compare"])
    texts = printed(page, tmp_path)
    assert shown(page, "h1")[0] in texts[0]
    assert "Environment" in texts[0]
    whole = " ".join(texts)
    for heading in shown(page, ".changes thead th"):
        assert heading.split()[0] in whole
    assert "95 % interval" in whole
    assert len(texts) <= 3


def test_the_list_of_runs_is_printed_with_its_trends(open_page: Open, tmp_path: Path) -> None:
    page = open_page(PAGES["index"])
    texts = printed(page, tmp_path)
    assert shown(page, "h1")[0] in texts[0]
    for caption in shown(page, ".trend figcaption"):
        assert caption.split(",")[0] in " ".join(texts)
    assert len(texts) <= 2


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything_that_opens_scrolls_or_leads_on(
    open_page: Open, name: str
) -> None:
    page = open_page(PAGES[name])
    stops = page.locator("a[href], summary, [tabindex='0']").filter(visible=True)
    number = stops.count()
    stops.evaluate_all("all => all.forEach((stop, place) => { stop.dataset.stop = place; })")
    seen = []
    for _ in range(number):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("Number(document.activeElement.dataset.stop)"))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) != "none"
    assert seen == list(range(number))


def test_details_open_by_key(open_page: Open) -> None:
    page = open_page(PAGES["compare"])
    summary = page.locator("#changes summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert len(shown(page, "#changes details .changes tbody tr")) > 0


def test_with_forced_colours_changes_can_still_be_told_apart(open_page: Open) -> None:
    page = open_page(PAGES["compare"], forced_colors="active")
    fills = page.locator(".dot").evaluate_all("all => all.map((e) => getComputedStyle(e).fill)")
    assert len(set(fills)) > 1


def test_trends_mark_where_another_release_of_torch_begins(open_page: Open) -> None:
    page = open_page(PAGES["index"])
    assert page.locator(".release text").all_text_contents() == ["2.14.0"] * 3
    assert shown(page, ".trend p")[0] == "1.40× → 1.60× over 3 runs; torch 2.13.0 → 2.14.0"

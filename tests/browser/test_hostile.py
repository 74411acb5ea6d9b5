"""Whatever a host calls itself or says, the page shows it as text and runs nothing of it."""

from __future__ import annotations

import pytest

from orchestrator.publish.report import render
from tests.browser import runs
from tests.browser.conftest import Open, shown

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("text", runs.XSS)
def test_hostile_text_runs_nothing_and_breaks_nothing(show: Open, text: str) -> None:
    page = show(runs.hostile(text))  # `show` itself insists: no request, no dialog, no complaint
    page.locator(".heat td a").first.click()
    page.keyboard.press("Escape")
    page.locator(".heat td a.failed").first.click()
    page.keyboard.press("Escape")
    page.select_option("[data-filter=batch_size]", "1")
    assert page.locator("script").count() == 2
    assert page.locator("img, iframe, base, math, object, embed").count() == 0
    ours = page.evaluate("document.querySelectorAll('[onload], [onerror], [onmouseover]').length")
    assert ours == 0
    assert shown(page, "#method-title") == ["How to read this page"]


def test_the_policy_stops_what_would_be_written_into_the_page(
    show: Open, complaints: list[str]
) -> None:
    page = show(runs.mixed())
    page.evaluate(
        """() => {
          window.ran = false;
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
        }"""
    )
    assert page.evaluate("window.ran") is False
    assert "Content Security Policy" in complaints.pop()


def test_a_page_of_hostile_text_has_the_elements_of_a_harmless_one() -> None:
    harmless, hostile = (render(runs.hostile(text)) for text in ("model", runs.XSS[2]))
    assert harmless.count("<svg") == hostile.count("<svg")
    assert harmless.count("<script") == hostile.count("<script")

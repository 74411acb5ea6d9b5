"""One Chromium per session, a page without a past per test, and nothing but files to load.

The browser is the system's own (Debian's package `chromium`), found by CHROMIUM or on PATH; without
one these tests are skipped, and fail where REQUIRE_ALL=1 says that nothing may be missing.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from orchestrator.compare.comparison import Comparison
from orchestrator.publish.report import render
from tests.browser.chromium import FLAGS, executable

Open = Callable[..., Page]
WIDTH, HEIGHT = 1280, 900
# For what takes a tenth of a second: machines that test are shared.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = executable()
    if path is None:
        missing = "no Chromium: install the package chromium, or set CHROMIUM to an executable"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield started
        started.close()


class Profiles:
    """Pages that nobody looks at, by the options of their profiles: a new one takes as long as
    most tests. One that is given back forgets what it showed and stored."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: defaultdict[str, list[Page]] = defaultdict(list)

    def take(self, width: int, options: dict[str, Any]) -> Page:
        free = self._free[repr(sorted(options.items()))]
        size: Any = {"width": width, "height": HEIGHT}
        if not free:
            return self._browser.new_context(viewport=size, **options).new_page()
        page = free.pop()
        page.set_viewport_size(size)
        return page

    def give_back(self, page: Page, options: dict[str, Any]) -> None:
        if options.get("java_script_enabled", True):
            page.evaluate("localStorage.clear()")
        page.goto("about:blank")
        self._free[repr(sorted(options.items()))].append(page)


@pytest.fixture(scope="session")
def profiles(browser: Browser) -> Profiles:
    return Profiles(browser)


@pytest.fixture
def requests() -> list[str]:
    """Every address that a page of this test asked for."""
    return []


@pytest.fixture
def complaints() -> list[str]:
    """Every error that a page of this test wrote to its console or threw."""
    return []


@pytest.fixture
def open_page(
    profiles: Profiles, tmp_path: Path, requests: list[str], complaints: list[str]
) -> Iterator[Open]:
    """Open a page of ours; options are those of a browser context, and a fragment.

    Whatever a test does, its page must ask for nothing but files and complain about nothing.
    """
    taken: list[tuple[Page, dict[str, Any]]] = []
    listeners: dict[str, Callable[[Any], None]] = {
        "request": lambda request: requests.append(request.url),
        "pageerror": lambda error: complaints.append(str(error)),
        "console": lambda message: (
            complaints.append(message.text) if message.type == "error" else None
        ),
        "dialog": lambda dialog: complaints.append(f"dialog: {dialog.message}"),
    }

    def opened(html: str, fragment: str = "", *, width: int = WIDTH, **options: Any) -> Page:
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        page = profiles.take(width, options)
        taken.append((page, options))
        page.set_default_timeout(PATIENCE_MS)
        for event, listener in listeners.items():
            page.on(event, listener)  # type: ignore[call-overload]
        page.goto(f"{file.as_uri()}{fragment}")
        return page

    yield opened
    for page, options in taken:
        profiles.give_back(page, options)
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
    assert complaints == []
    assert [
        url for url in requests if not url.startswith(("file:", "data:", "blob:", "about:"))
    ] == []


@pytest.fixture
def show(open_page: Open) -> Open:
    """Open the page of a comparison, as `open_page` opens any page, and wait for its script."""

    def opened(run: Comparison, fragment: str = "", **options: Any) -> Page:
        page = open_page(render(run), fragment, **options)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    return opened


def violations(page: Page) -> list[str]:
    """What axe finds, and where."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found]


def overflowing(page: Page) -> list[str]:
    """What makes the page scroll sideways, and what scrolls sideways in the map."""
    found: list[str] = page.evaluate(
        """() => {
          const wide = (e) => e.scrollWidth > e.clientWidth + 1;
          const found = wide(document.documentElement) ? ["page"] : [];
          const parts = document.querySelectorAll(
            ".map, .hosts, .cards, .card, .choices, .plot, .entry, .trend");
          for (const e of parts) if (e.checkVisibility() && wide(e)) found.push(e.className);
          return found;
        }"""
    )
    return found


def shown(page: Page, selector: str) -> list[str]:
    """The texts of all visible elements, white space made single."""
    texts = page.locator(selector).filter(visible=True).all_inner_texts()
    return [" ".join(text.split()) for text in texts]

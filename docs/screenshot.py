"""Make the README's pictures of the samples:  make screenshot

Chromium opens the committed pages, in light and in dark, and Pillow stores what it shows in few
colours, so that each picture stays below 200 KB.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import FLAGS, executable  # noqa: E402 - the path comes first

# Picture, sample and height: as much of the page as answers and shows the map.
PICTURES: Final = (("page", "sample-quick-cpu", 1330), ("published", "sample-published", 1500))
WIDTH: Final = 1180
COLOURS: Final = 128


def main() -> None:
    path = executable()
    if path is None:
        sys.exit("no Chromium: install the package chromium, or set CHROMIUM to an executable")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for name, sample, height in PICTURES:
            for theme in ("light", "dark"):
                _take(browser, name, sample, height, theme)
        browser.close()


def _take(browser: Browser, name: str, sample: str, height: int, theme: str) -> None:
    page = browser.new_page(
        viewport={"width": WIDTH, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page.goto((ROOT / "reports" / sample / "report.html").as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    picture = Image.open(io.BytesIO(page.screenshot()))
    file = ROOT / "docs" / (f"{name}.png" if theme == "light" else f"{name}-dark.png")
    picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e3:.0f} KB")
    page.close()


if __name__ == "__main__":
    main()

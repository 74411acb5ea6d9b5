"""How large a page is, how long it takes to build, and how fast a browser is with it.

For 36, 432 and 10,008 cases of 300 samples per variant, as one table. Building is what turns a
comparison into HTML; the statistics before it are told apart. Both are seconds of one processor,
which a busy machine does not lengthen much. Loading lasts until the script is ready, filtering
until the page is laid out again, both by the clock on the wall; without Chromium they stay empty.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, TypeVar

from playwright.sync_api import Browser, sync_playwright

from harness import catalogue
from harness.records import Block, Measurement
from harness.vocabulary import MODES
from orchestrator import report
from orchestrator.comparison import Comparison
from orchestrator.outcomes import HostOutcome
from tests import factories
from tests.browser.chromium import FLAGS, executable

ROOT: Final = Path(__file__).resolve().parent.parent
GPUS: Final = ("NVIDIA A100-SXM4-40GB", "Tesla T4", "Tesla V100-SXM2-16GB")
MANY_MODELS: Final = 278
T = TypeVar("T")

# Chooses one model, and waits until the browser has laid out what that changes.
FILTER: Final = """() => {
  const list = document.querySelector("[data-filter=model]");
  const start = performance.now();
  list.selectedIndex = 2;
  list.dispatchEvent(new Event("change", { bubbles: true }));
  document.body.getBoundingClientRect();
  return (performance.now() - start) / 1000;
}"""


@dataclass(frozen=True, slots=True)
class Result:
    """What one page took, in bytes and seconds."""

    cases: int
    size_bytes: int
    statistics_s: float
    build_s: float
    load_s: float | None
    filter_s: float | None


def main() -> None:
    catalogued = tuple(model.name for model in catalogue.CATALOGUE)
    many = tuple(f"org/model-{number}" for number in range(MANY_MODELS))
    with ExitStack() as stack:
        browser = _browser(stack)
        print("   cases        size  statistics     build      load    filter")
        for hosts, modes, models in ((1, 1, catalogued), (3, 4, catalogued), (3, 4, many)):
            print(_line(_measure(_outcomes(hosts, modes, models), browser)))
    start_s = perf_counter()
    _published()
    print(f"the published table, from command to page: {perf_counter() - start_s:.2f} s")


def _browser(stack: ExitStack) -> Browser | None:
    path = executable()
    if path is None:
        return None
    playwright = stack.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
    stack.callback(browser.close)
    return browser


def _measure(outcomes: list[HostOutcome], browser: Browser | None) -> Result:
    compared, statistics_s = _timed(lambda: factories.comparison(*outcomes))
    page, build_s = min((_timed(lambda: report.render(compared)) for _ in range(3)), key=_seconds)
    load_s, filter_s = (None, None) if browser is None else _used(browser, page)
    return Result(_cases(compared), len(page.encode()), statistics_s, build_s, load_s, filter_s)


def _used(browser: Browser, html: str) -> tuple[float, float]:
    """Seconds until a page is ready, and until it shows one model only."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(html, encoding="utf-8")
        page = browser.new_page()
        start_s = perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        load_s = perf_counter() - start_s
        filter_s: float = page.evaluate(FILTER)
        page.close()
    return load_s, filter_s


def _line(found: Result) -> str:
    load, choose = (
        f"{'-':>8}" if seconds is None else f"{seconds:6.2f} s"
        for seconds in (found.load_s, found.filter_s)
    )
    return (
        f"{found.cases:8,}{found.size_bytes / 1e3:9,.0f} KB{found.statistics_s:10.2f} s"
        f"{found.build_s:8.2f} s  {load}  {choose}"
    )


def _outcomes(hosts: int, modes: int, models: tuple[str, ...]) -> list[HostOutcome]:
    """Every case is measured; times scatter from call to call, so that nothing packs too well."""
    found = []
    for gpu in GPUS[:hosts]:
        cases = [
            factories.case(model, batch_size, mode)
            for model in models
            for mode in MODES[:modes]
            for batch_size in (1, 4, 16)
        ]
        generator = random.Random(gpu)
        measured = [_scattered(factories.measurement(case), generator) for case in cases]
        found.append(factories.outcome(gpu, *measured, of=factories.environment(gpu)))
    return found


def _scattered(measured: Measurement, generator: random.Random) -> Measurement:
    blocks = [
        Block(
            variant=block.variant,
            samples_s=tuple(sample_s * generator.gauss(1, 0.02) for sample_s in block.samples_s),
        )
        for block in measured.blocks
    ]
    return measured.model_copy(update={"blocks": tuple(blocks)})


def _published() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "orchestrate.py", "report", "published", "--output", folder]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)


def _timed(act: Callable[[], T]) -> tuple[T, float]:
    start_s = process_time()
    result = act()
    return result, process_time() - start_s


def _seconds(timed: tuple[object, float]) -> float:
    return timed[1]


def _cases(compared: Comparison) -> int:
    return len(compared.rows)

"""How large a page is, how long it takes to build, and how fast a browser is with it.

For 36, 432 and 10,008 cases of 300 samples per variant, as noisy as GPUs get and with every number
that a page can show (page_cases), beside the published table. Building is what turns a comparison
into HTML; the statistics before it are told apart. Both are seconds of one processor, which a busy
machine does not lengthen much. Loading lasts until the script is ready, filtering until the page
is laid out again, both by the clock on the wall; without Chromium they stay empty. First, 64 hosts
of 144 cases from records on: reading, statistics and building by themselves, and what
`report` takes for all of it and for the exports, with its memory at its height.
"""

from __future__ import annotations

import datetime
import random
import resource
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

from benchmarks import page_cases
from harness.contract import catalogue
from harness.contract.records import Finished, Record, write_line
from orchestrator.changes import changes
from orchestrator.compare import collecting, runs
from orchestrator.compare.comparison import Comparison
from orchestrator.publish import baseline, report
from orchestrator.records.rundir import RunFolder
from tests import factories
from tests.browser.chromium import FLAGS, executable

ROOT: Final = Path(__file__).resolve().parent.parent
MANY_MODELS: Final = 278
MANY_HOSTS: Final = 64
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
    _from_records(catalogued)  # first: a browser would be a child, too
    with ExitStack() as stack:
        browser = _browser(stack)
        print("   cases        size  statistics     build      load    filter")
        for hosts, modes, models in ((1, 1, catalogued), (3, 4, catalogued), (3, 4, many)):
            print(_line(_measure(hosts, modes, models, browser)))
    print(
        f"     432{_beside_a_run(catalogued) / 1e3:9,.0f} KB beside a run in which all times differ"
    )


def _browser(stack: ExitStack) -> Browser | None:
    path = executable()
    if path is None:
        return None
    playwright = stack.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
    stack.callback(browser.close)
    return browser


def _measure(hosts: int, modes: int, models: tuple[str, ...], browser: Browser | None) -> Result:
    compared, statistics_s = _compared(hosts, modes, models)
    beside = baseline.against_published(compared)
    page, build_s = min((_timed(lambda: report.render(compared, beside)) for _ in range(3)), key=_s)
    load_s, filter_s = (None, None) if browser is None else _used(browser, page)
    return Result(_cases(compared), len(page.encode()), statistics_s, build_s, load_s, filter_s)


def _compared(hosts: int, modes: int, models: tuple[str, ...]) -> tuple[Comparison, float]:
    delivered = page_cases.outcomes(hosts, modes, models)
    return _timed(lambda: page_cases.compared(delivered))


def _beside_a_run(models: tuple[str, ...]) -> int:
    """The size in bytes of a page that another run is the baseline of."""
    before, after = (page_cases.compared(page_cases.outcomes(3, 4, models, day)) for day in (1, 2))
    held = baseline.against_run(changes.between(before, after))
    return len(report.render(after, held).encode())


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


def _from_records(models: tuple[str, ...]) -> None:
    """Render a run of many hosts as a user does; all of them sent the same records."""
    with tempfile.TemporaryDirectory() as folder:
        run = _many_hosts(Path(folder), models)
        command = [sys.executable, "orchestrate.py", "report", str(run.path), "--baseline", "none"]
        before_s = _children_s()
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        all_s = _children_s() - before_s
        height = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        _, reading_s = _timed(lambda: _read(run))
        compared, judged_s = _timed(lambda: runs.read(run))
        _, build_s = _timed(lambda: report.render(compared))
    print(
        f"{len(compared.rows):8,} cases from records on: reading {reading_s:.1f} s, statistics "
        f"{judged_s - reading_s:.1f} s, build {build_s:.1f} s; with start and exports "
        f"{all_s:.1f} s, {height * 1024 / 1e6:.0f} MB at its height"
    )


@collecting.paused()
def _read(run: RunFolder) -> None:
    """Read all records, and keep none."""
    for _ in run.each_outcome(run.plan()):
        pass


def _many_hosts(output: Path, models: tuple[str, ...]) -> RunFolder:
    cases, generator = page_cases.cases(4, models), random.Random(1)
    plan = factories.plan(cases)
    hosts = [f"gpu-{number:02}" for number in range(MANY_HOSTS)]
    now = datetime.datetime.now(datetime.UTC)
    folder = RunFolder.create(output, plan, hosts, "python orchestrate.py", now)
    records: list[Record] = [
        factories.started(cases, plan_id=plan.plan_id),
        *(page_cases.measurement(case, generator) for case in cases),
        Finished(plan_id=plan.plan_id, measured=len(cases), failed=0),
    ]
    numbered = (one.model_copy(update={"seq": seq}) for seq, one in enumerate(records))
    text = "".join(map(write_line, numbered))
    for host in hosts:
        (folder.path / "records" / f"{host}.1.jsonl").write_text(text)
    return folder


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _timed(act: Callable[[], T]) -> tuple[T, float]:
    start_s = process_time()
    result = act()
    return result, process_time() - start_s


def _s(timed: tuple[object, float]) -> float:
    return timed[1]


def _cases(compared: Comparison) -> int:
    return len(compared.rows)

"""A pytest plugin that keeps the result of each test as soon as it is there, and leaves out what
has one:  python -m pytest -p benchmarks.kept_tests --json FILE [--left-s SECONDS]
"""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.ledger import Ledger


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--json", type=Path, required=True, help="where the results are kept")
    parser.addoption("--left-s", type=float, default=math.inf, help="when this process is ended")


def pytest_configure(config: pytest.Config) -> None:
    ledger = Ledger(config.getoption("--json"))
    end_s = time.monotonic() + config.getoption("--left-s")
    # As Ctrl-C: what a test has started ends with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.pluginmanager.register(Keeper(ledger, end_s), "keeper of results")


@dataclass(slots=True)
class Keeper:
    """Listens to one session; a test ends as the worst of its set-up, its call and its teardown."""

    ledger: Ledger
    end_s: float
    outcomes: list[str] = field(default_factory=list)
    said: str = ""
    began_s: float = 0.0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        done, left_s = self.ledger.results(), self.end_s - time.monotonic()
        todo = [
            item
            for item in items
            if item.nodeid not in done and self.ledger.may_begin(item.nodeid, left_s)
        ]
        config.hook.pytest_deselected(items=[item for item in items if item not in todo])
        # The most results for the time: what takes long, and what took too long before, comes last.
        in_vain_s = self.ledger.in_vain_s()
        todo.sort(key=lambda item: (in_vain_s.get(item.nodeid, 0), _is_slow(item)))
        items[:] = todo

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.outcomes, self.said, self.began_s = [], "", time.monotonic()
        self.ledger.begin(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.outcomes.append(report.outcome)
        if report.outcome != "passed":
            self.said = _last_line(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        worst = next((each for each in ("failed", "skipped") if each in self.outcomes), "passed")
        wall_s = round(time.monotonic() - self.began_s, 3)
        self.ledger.keep(nodeid, outcome=worst, said=self.said, wall_s=wall_s)


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _last_line(report: pytest.TestReport) -> str:
    """Why a test failed or was skipped, in one line."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[-1])
    crash = getattr(report.longrepr, "reprcrash", None)
    said = crash.message if crash is not None else report.longreprtext
    return next(iter(said.splitlines()), "")[:300]

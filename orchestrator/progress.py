"""What the terminal shows while hosts measure; always on standard error.

On a terminal: a row per host, failures scrolling above it. Elsewhere: a line per finished case, and
one a minute while nothing finishes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from harness.plan import Case
from harness.records import CaseStarted, Failure, Measurement, Record, Started
from orchestrator import statistics, wording
from orchestrator.comparison import label_of, samples

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Style: TypeAlias = Literal["live", "plain", "none"]

QUIET_S: Final = 60.0
_DOING: Final = {
    "build": "building",
    "verify": "running eager",
    "compile": "compiling",
    "warmup": "warming up",
    "measure": "measuring",
}


class Progress(Protocol):
    """Watches a run and shows it; an Observer of the fleet."""

    def saw(self, host: str, record: Record) -> None: ...

    def doing(self, host: str, what: str) -> None: ...

    def noted(self, host: str, remark: str) -> None: ...

    def ended(self, host: str, trouble: str) -> None: ...

    def tick(self) -> None: ...


@dataclass(slots=True)
class HostState:
    """How far one host is."""

    device: str = ""
    total: int = 0
    done: int = 0
    now: str = "starting"
    since_s: float = field(default_factory=time.monotonic)
    first_case_s: float | None = None
    last: str = ""

    def take(self, record: Record) -> str:
        """Move on; returns what is worth a line of its own, or nothing."""
        match record:
            case Started():
                environment = record.environment
                name = wording.device(environment.device.name)
                self.device = f"{name}, torch {wording.one_line(environment.torch)}"
                self.total += len(record.case_ids)  # a stream for each GPU
                self.first_case_s = self.first_case_s or time.monotonic()
                return f"{self.device}, {wording.many(self.total, 'case')}"
            case CaseStarted():
                self.now = f"{short_name(record.case_id)} · {_DOING[record.stage]}"
                self.since_s = time.monotonic()
            case Measurement():
                return self._finish(record.case, describe(record))
            case Failure():
                name = record.case_id or "this host"
                reason = wording.reason(record.reason)
                sentence = f"{short_name(name)}: ✕ {reason}: {wording.one_line(record.message)}"
                return self._count(sentence)
            case _:
                pass
        return ""

    def prepare(self, what: str) -> bool:
        """Name what precedes the first record; returns whether that is news."""
        news = wording.one_line(what) != self.now
        if news:
            self.now, self.since_s = wording.one_line(what), time.monotonic()
        return news

    def left_s(self) -> float | None:
        """Seconds left, if cases go on as they did; None before the first one is done."""
        if self.done == 0 or self.first_case_s is None:
            return None
        spent_s = time.monotonic() - self.first_case_s
        return spent_s / self.done * (self.total - self.done)

    def _finish(self, case: Case, sentence: str) -> str:
        self.last = sentence
        return self._count(f"{short_name(case.case_id)}: {sentence}")

    def _count(self, sentence: str) -> str:
        self.done += 1
        return f"[{self.done}/{self.total}] {sentence}" if self.total else sentence


def short_name(case_id: str) -> str:
    """A case as a row can hold it: the default precision goes without saying."""
    model, *rest = case_id.rsplit("/", 3)
    shown = [part for part in rest if part != "float32"]
    return wording.one_line(" ".join([label_of(model), *shown]))


def describe(measurement: Measurement) -> str:
    """The result of a case in a few words."""
    eager = samples(measurement.blocks, "eager")
    compiled = samples(measurement.blocks, "compiled")
    ratio = statistics.speed_up(eager, compiled)
    verdict = statistics.decide(ratio)
    words = {"same": "no difference", "unclear": "unclear"}.get(verdict, verdict)
    return (
        f"{wording.milliseconds(statistics.summarise(eager).mean.value)} eager, "
        f"{wording.milliseconds(statistics.summarise(compiled).mean.value)} compiled, "
        f"{wording.speed_up(ratio.value)} {wording.SYMBOLS[verdict]} {words}"
    )


@dataclass(slots=True)
class NoProgress:
    """Shows nothing."""

    def saw(self, host: str, record: Record) -> None:
        pass

    def doing(self, host: str, what: str) -> None:
        pass

    def noted(self, host: str, remark: str) -> None:
        pass

    def ended(self, host: str, trouble: str) -> None:
        pass

    def tick(self) -> None:
        pass


@dataclass(slots=True)
class PlainProgress:
    """A line per event, for logs and pipes."""

    states: dict[str, HostState]
    spoke_s: float = field(default_factory=time.monotonic)

    def saw(self, host: str, record: Record) -> None:
        line = self.states[host].take(record)
        if line:
            self._say(host, line)

    def doing(self, host: str, what: str) -> None:
        if self.states[host].prepare(what):
            self._say(host, what)

    def noted(self, host: str, remark: str) -> None:
        self._say(host, f"⚠ {wording.one_line(remark)}")

    def ended(self, host: str, trouble: str) -> None:
        self.states[host].now = "lost" if trouble else "done"
        if trouble:
            self._say(host, f"✕ {wording.one_line(trouble)}")

    def tick(self) -> None:
        if time.monotonic() - self.spoke_s < QUIET_S:
            return
        for host, state in self.states.items():
            spent_s = time.monotonic() - state.since_s
            self._say(host, f"[{state.done}/{state.total}] {state.now} for {spent_s:.0f} s")

    def _say(self, host: str, line: str) -> None:
        self.spoke_s = time.monotonic()
        print(f"{host}: {line}", file=sys.stderr, flush=True)


@dataclass(slots=True)
class LiveProgress:
    """A row per host, redrawn in place; finished cases and failures scroll above."""

    states: dict[str, HostState]
    console: Console

    def saw(self, host: str, record: Record) -> None:
        line = self.states[host].take(record)
        if line:
            self._scroll(host, line)

    def doing(self, host: str, what: str) -> None:
        self.states[host].prepare(what)

    def noted(self, host: str, remark: str) -> None:
        self._scroll(host, f"⚠ {wording.one_line(remark)}")

    def ended(self, host: str, trouble: str) -> None:
        self.states[host].now = "lost" if trouble else "done"
        if trouble:
            self._scroll(host, f"✕ {wording.one_line(trouble)}")

    def tick(self) -> None:
        pass

    def _scroll(self, host: str, line: str) -> None:
        from rich.text import Text

        self.console.print(Text(f"{host}: {line}"), soft_wrap=True)

    def __rich__(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for host, state in self.states.items():
            left_s = state.left_s()
            spent_s = time.monotonic() - state.since_s
            table.add_row(
                Text(host, style="bold"),
                ProgressBar(total=max(1, state.total), completed=state.done, width=20),
                f"{state.done}/{state.total}" if state.total else "",
                Text(f"{state.now} {spent_s:.0f} s", overflow="ellipsis", no_wrap=True),
                "" if left_s is None else f"about {duration(left_s)} left",
            )
        return table


@contextmanager
def watching(style: Style, hosts: tuple[str, ...]) -> Iterator[Progress]:
    """Show a run in a style until the block ends."""
    states = {host: HostState() for host in hosts}
    if style == "none":
        yield NoProgress()
    elif style == "plain":
        yield PlainProgress(states)
    else:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        view = LiveProgress(states, console)
        with Live(view, console=console, refresh_per_second=4, transient=True):
            yield view


def style_for(choice: str, *, terminal: bool, ci: bool, dumb: bool) -> Style:
    """What `auto` means here; anything else is what was asked for."""
    if choice in ("live", "plain", "none"):
        return choice  # type: ignore[return-value]
    return "live" if terminal and not ci and not dumb else "plain"


def duration(value_s: float) -> str:
    """Rounded for people: "40 s", "6 min", "3.5 h"."""
    if value_s < 90:
        return f"{value_s:.0f} s"
    if value_s < 90 * 60:
        return f"{value_s / 60:.0f} min"
    return f"{value_s / 3600:.1f} h"

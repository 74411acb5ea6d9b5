"""What the terminal shows while hosts measure; always on standard error.

On a terminal: a row per host, as many as fit, with what is worth keeping scrolling above them.
Elsewhere: a line per event, and one a minute while nothing happens. At the end a line per host.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from harness.contract.records import Record
from orchestrator import wording
from orchestrator.cli import rows
from orchestrator.cli.host_state import HostState, Line, duration

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from orchestrator.fleet.fleet import Observer

Style: TypeAlias = Literal["live", "plain", "none"]
Clock: TypeAlias = Callable[[], float]

QUIET_S: Final = 60.0
# With more hosts than this, only failures are worth a line, and rows of their own are summed up.
FEW: Final = 8


@dataclass(slots=True)
class NoProgress:
    """Shows nothing."""

    def saw(self, host: str, record: Record) -> None:
        pass

    def doing(self, host: str, what: str) -> None:
        pass

    def noted(self, host: str, remark: str) -> None:
        pass

    def away(self, host: str) -> None:
        pass

    def ended(self, host: str, trouble: str) -> None:
        pass

    def skipped(self, host: str, why: str) -> None:
        pass

    def stopping(self, limit_s: float, again_s: float) -> None:
        pass

    def tick(self) -> None:
        pass


@dataclass(slots=True)
class PlainProgress:
    """A line per event, for logs and pipes."""

    states: dict[str, HostState]
    clock: Clock = time.monotonic
    spoke_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.spoke_s = self.clock()

    def saw(self, host: str, record: Record) -> None:
        line = self.states[host].take(record)
        if line is not None and _worth_a_line(line, self.states):
            self._say(f"{host}: {line.text}")

    def doing(self, host: str, what: str) -> None:
        if self.states[host].prepare(what) and len(self.states) <= FEW:
            self._say(f"{host}: {wording.one_line(what)}")

    def noted(self, host: str, remark: str) -> None:
        self._say(f"{host}: ⚠ {wording.one_line(remark)}")

    def away(self, host: str) -> None:
        self.states[host].lose_touch()

    def ended(self, host: str, trouble: str) -> None:
        self.states[host].end(trouble)
        if trouble:
            self._say(_in_trouble(host, trouble))

    def skipped(self, host: str, why: str) -> None:
        self.states[host].skip(why)

    def stopping(self, limit_s: float, again_s: float) -> None:
        self._say(_stopping(limit_s, again_s))

    def tick(self) -> None:
        if self.clock() - self.spoke_s < QUIET_S:
            return
        if len(self.states) > FEW:
            self._say(rows.total(self.states))
            return
        for host, state in self.states.items():
            if not state.over:
                count = f"[{state.done}/{state.total}] " if state.total else ""
                doing = f"{state.now} for {duration(state.stage_s())}{_eta(state)}"
                self._say(f"{host}: {count}{doing}")

    def _say(self, line: str) -> None:
        self.spoke_s = self.clock()
        print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class LiveProgress:
    """A row per host, redrawn in place; failures, and results of few hosts, scroll above."""

    states: dict[str, HostState]
    console: Console

    def saw(self, host: str, record: Record) -> None:
        line = self.states[host].take(record)
        if line is not None and _worth_a_line(line, self.states):
            self._scroll(f"{host}: {line.text}", "red" if line.kind == "failure" else "")

    def doing(self, host: str, what: str) -> None:
        self.states[host].prepare(what)

    def noted(self, host: str, remark: str) -> None:
        self._scroll(f"{host}: ⚠ {wording.one_line(remark)}", "yellow")

    def away(self, host: str) -> None:
        self.states[host].lose_touch()

    def ended(self, host: str, trouble: str) -> None:
        self.states[host].end(trouble)
        if trouble:  # with a command, which can only be copied where the terminal breaks it
            self._scroll(_in_trouble(host, trouble), "red", whole=True)

    def skipped(self, host: str, why: str) -> None:
        self.states[host].skip(why)

    def stopping(self, limit_s: float, again_s: float) -> None:
        self._scroll(_stopping(limit_s, again_s), "yellow")

    def tick(self) -> None:
        pass

    def _scroll(self, line: str, style: str, *, whole: bool = False) -> None:
        """Print a line above the rows, broken between words unless it must stay `whole`."""
        from rich.text import Text

        self.console.print(Text(line, style=style), soft_wrap=whole)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from rows.rows(self.states, options.max_width, console.size.height)


@contextmanager
def watching(style: Style, hosts: tuple[str, ...]) -> Iterator[Observer]:
    """Show a run in a style until the block ends, then a line per host."""
    states = {host: HostState() for host in hosts}
    if style == "none":
        yield NoProgress()
        return
    try:
        if style == "plain":
            yield PlainProgress(states)
        else:
            with _live(states) as view:
                yield view
    finally:
        for host, state in states.items():
            print(f"{host}: {state.recap()}", file=sys.stderr, flush=True)


@contextmanager
def _live(states: dict[str, HostState]) -> Iterator[Observer]:
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


def _worth_a_line(line: Line, states: Mapping[str, HostState]) -> bool:
    return line.kind == "failure" or len(states) <= FEW


def _in_trouble(host: str, trouble: str) -> str:
    """Most of what goes wrong on a host is told with its name already."""
    text = wording.one_line(trouble)
    return f"✕ {text}" if text.startswith(f'host "{host}"') else f"{host}: ✕ {text}"


def _stopping(limit_s: float, again_s: float) -> str:
    return f"⚠ stopping: this takes {limit_s:.0f} s at most, or {again_s:.0f} after Ctrl-C again"


def _eta(state: HostState) -> str:
    left_s = state.left_s()
    return "" if left_s is None else f", about {duration(left_s)} left"

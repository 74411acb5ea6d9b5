"""What the terminal shows while hosts measure; always on standard error.

On a terminal: a row per host, as many as fit, with what is worth keeping scrolling above them.
Elsewhere: a line per event, and one a minute while nothing happens. At the end a line per host.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from harness.records import Record
from orchestrator import wording
from orchestrator.cli.host_state import HostState, Line, brief_name, duration

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

Style: TypeAlias = Literal["live", "plain", "none"]
Clock: TypeAlias = Callable[[], float]

QUIET_S: Final = 60.0
# With more hosts than this, only failures are worth a line, and rows of their own are summed up.
FEW: Final = 8
_PHASES: Final = ("preparing", "measuring", "done", "lost", "skipped")
_OVER: Final = ("done", "lost", "skipped")
# Beside the rows: the line that sums up, the cursor's, and some of what scrolls.
_OTHER_LINES: Final = 6
_ROOM_FOR_LAST: Final = 72
_STAGE: Final = len("running eager 60 min  ")
_COLOURS: Final = {"preparing": "dim", "done": "green", "lost": "red"}


class Progress(Protocol):
    """Watches a run and shows it; an Observer of the fleet."""

    def saw(self, host: str, record: Record) -> None: ...

    def doing(self, host: str, what: str) -> None: ...

    def noted(self, host: str, remark: str) -> None: ...

    def away(self, host: str) -> None: ...

    def ended(self, host: str, trouble: str) -> None: ...

    def skipped(self, host: str, why: str) -> None: ...

    def tick(self) -> None: ...


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

    def tick(self) -> None:
        if self.clock() - self.spoke_s < QUIET_S:
            return
        if len(self.states) > FEW:
            self._say(total(self.states))
            return
        for host, state in self.states.items():
            if not _over(state):
                doing = f"{state.now} for {duration(state.stage_s())}{_eta(state)}"
                self._say(f"{host}: [{state.done}/{state.total}] {doing}")

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

    def tick(self) -> None:
        pass

    def _scroll(self, line: str, style: str, *, whole: bool = False) -> None:
        """Print a line above the rows, broken between words unless it must stay `whole`."""
        from rich.text import Text

        self.console.print(Text(line, style=style), soft_wrap=whole)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from rows(self.states, options.max_width, console.size.height)


@contextmanager
def watching(style: Style, hosts: tuple[str, ...]) -> Iterator[Progress]:
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
def _live(states: dict[str, HostState]) -> Iterator[Progress]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False)
    view = LiveProgress(states, console)
    with Live(view, console=console, refresh_per_second=4, transient=True):
        yield view


def rows(states: Mapping[str, HostState], width: int, height: int) -> Iterator[Text]:
    """The live part: a row per host that fits, those still at work first; then all in a line.

    Args:
        width, height: columns and lines of the terminal.
    """
    room = max(1, height - _OTHER_LINES)
    shown = dict(states)
    if len(states) > room:
        at_work = {host: state for host, state in states.items() if not _over(state)}
        over = {host: state for host, state in states.items() if _over(state)}
        shown = dict([*at_work.items(), *over.items()][:room])
    widths = (min(20, max(map(len, shown))), max(map(len, map(_count, shown.values()))))
    for host, state in shown.items():
        yield _row(host, state, widths, width)
    if len(states) > 1:
        yield _fitted(total(states), width, "dim")


def total(states: Mapping[str, HostState]) -> str:
    """All hosts in a line: how many do what, how many cases are done, when the last will be."""
    phases = Counter(state.phase for state in states.values())
    parts = [f"{phases[phase]} {phase}" for phase in _PHASES if phases[phase]]
    done, cases = sum(s.done for s in states.values()), sum(s.total for s in states.values())
    left = [left_s for state in states.values() if (left_s := state.left_s()) is not None]
    eta = f" · about {duration(max(left))} left" if left else ""
    hosts = wording.many(len(states), "host")
    return f"{hosts}: {', '.join(parts)} · {wording.count(done)}/{wording.many(cases, 'case')}{eta}"


def style_for(choice: str, *, terminal: bool, ci: bool, dumb: bool) -> Style:
    """What `auto` means here; anything else is what was asked for."""
    if choice in ("live", "plain", "none"):
        return choice  # type: ignore[return-value]
    return "live" if terminal and not ci and not dumb else "plain"


def _row(host: str, state: HostState, widths: tuple[int, int], width: int) -> Text:
    """A host in a line: name, count, stage and case, last result, time left.

    Args:
        widths: columns of name and count.
    """
    from rich.text import Text

    name, count = widths
    left_s = state.left_s()
    left = "" if left_s is None else f"{duration(left_s)} left"
    ending = f"  {state.last:>8}  {left:>11}" if width >= _ROOM_FOR_LAST else f"  {left:>11}"
    middle = max(1, width - 1 - name - count - 4 - len(ending))
    text = Text(no_wrap=True)
    text.append(_cut(host, name).ljust(name), "bold")
    text.append(f"  {_count(state):>{count}}  ")
    text.append(_cut(_doing(state), middle).ljust(middle), _COLOURS.get(state.phase, ""))
    text.append(ending)
    text.truncate(width - 1)
    return text


def _count(state: HostState) -> str:
    return f"{state.done}/{state.total}" if state.total else ""


def _doing(state: HostState) -> str:
    """The stage before the case, whose name may be cut."""
    if _over(state):
        return state.stage
    stage = f"{state.doing} {duration(state.stage_s())}"
    return f"{stage:<{_STAGE}}{brief_name(state.case_id)}" if state.case_id else stage


def _fitted(line: str, width: int, style: str) -> Text:
    from rich.text import Text

    return Text(_cut(line, width - 1), style=style, no_wrap=True)


def _cut(text: str, width: int) -> str:
    """At most so many columns, the cut marked."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _over(state: HostState) -> bool:
    return state.phase in _OVER


def _worth_a_line(line: Line, states: Mapping[str, HostState]) -> bool:
    return line.kind == "failure" or len(states) <= FEW


def _in_trouble(host: str, trouble: str) -> str:
    """Most of what goes wrong on a host is told with its name already."""
    text = wording.one_line(trouble)
    return f"✕ {text}" if text.startswith(f'host "{host}"') else f"{host}: ✕ {text}"


def _eta(state: HostState) -> str:
    left_s = state.left_s()
    return "" if left_s is None else f", about {duration(left_s)} left"

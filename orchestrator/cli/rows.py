"""The live part of what a terminal shows: a row per host, as many as fit, then all in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from orchestrator import wording
from orchestrator.cli.case_names import brief_name
from orchestrator.cli.host_state import HostState, duration

if TYPE_CHECKING:
    from rich.text import Text

_PHASES: Final = ("preparing", "measuring", "done", "lost", "skipped")
# Beside the rows: the line that sums up, the cursor's, and some of what scrolls.
_OTHER_LINES: Final = 6
_ROOM_FOR_LAST: Final = 72
_STAGE: Final = len("running eager 60 min  ")
_COLOURS: Final = {"preparing": "dim", "done": "green", "lost": "red"}


def rows(states: Mapping[str, HostState], width: int, height: int) -> Iterator[Text]:
    """The live part: a row per host that fits, those still at work first; then all in a line.

    Args:
        width, height: columns and lines of the terminal.
    """
    room = max(1, height - _OTHER_LINES)
    shown = dict(states)
    if len(states) > room:
        at_work = {host: state for host, state in states.items() if not state.over}
        over = {host: state for host, state in states.items() if state.over}
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
    if state.over:
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

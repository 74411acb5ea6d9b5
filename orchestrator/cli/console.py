"""What commands show while and after they work. With `exits` and `progress` all that ever prints;
standard output carries data only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.cli.exits import complain

if TYPE_CHECKING:
    from harness.contract.plan import Plan
    from orchestrator.changes.gate import Gate
    from orchestrator.cli.progress import Style
    from orchestrator.diagnosis.checks import Examined
    from orchestrator.fleet.fleet import Observer
    from orchestrator.hosts.kinds.leftovers import Cleaned
    from orchestrator.inventory.machines import Machine
    from orchestrator.publish.rendering import Rendered

_COLOURS: Final = {"✓": "green", "✗": "bold red", "–": "dim"}


@dataclass(frozen=True, slots=True)
class Terminal:
    """Shows a run: a Display. `progress` is the style of what is shown meanwhile."""

    progress: str
    as_json: bool = False

    def watching(self, hosts: Sequence[str]) -> AbstractContextManager[Observer]:
        from orchestrator.cli.progress import watching

        return watching(_style(self.progress), tuple(hosts))

    def forewarn(self, plan: Plan, machines: Sequence[Machine]) -> None:
        from orchestrator.cli import forecast

        for line in forecast.forewarning(plan, machines):
            print(line, file=sys.stderr)

    def complain(self, sentence: str, advice: str = "") -> None:
        complain(sentence, advice)

    def results(self, rendered: Rendered) -> None:
        """Print the summary, the page's path and, last, the answer."""
        from orchestrator.cli import summary

        found, page, changes = rendered.comparison, rendered.page, rendered.changes
        if self.as_json:
            print(summary.to_json(found, page, changes))
        else:
            print(summary.to_text(found, page, width(), changes))
        sys.stdout.flush()  # what cannot be written is to be known while the run is

    def regressions(self, found: Gate) -> None:
        from orchestrator.cli import change_summary

        before = found.changes.before
        kind = before.rehearsal
        baseline = f"run {before.run.name}{f' (a rehearsal: {kind})' if kind else ''}"
        if found.changes.broken:
            complain(change_summary.broken(found.changes.broken, baseline))
        if found.regressed:
            complain(change_summary.regressed(found.regressed, found.percent, baseline))


def show_plan(plan: Plan, machines: Sequence[Machine], *, as_json: bool) -> int:
    """Print what would be measured."""
    from orchestrator.cli import forecast

    said = forecast.plan_json if as_json else forecast.plan_text
    print(said(plan, machines))
    return 0


def show_cleaned(found: Iterable[Cleaned], machines: Sequence[Machine]) -> int:
    """Print what was removed and what was not, a host as soon as it is done; 1 if one could not be
    looked at."""
    failed = False
    with _waiting([one.name for one in machines]) as waiting:
        for host in found:
            lines = [*(f"removed {what}" for what in host.removed), *host.kept]
            if not lines and not host.failed:
                lines = ["nothing to remove"]
            waiting.got(host.host, "\n".join(f"{host.host}: {line}" for line in lines))
            if host.failed:
                failed = True
                waiting.clear()
                complain(host.failed)
                waiting.show()
    return int(failed)


def warn_of(sentences: Iterable[str]) -> None:
    """Something that is not right, and stops nothing."""
    for sentence in sentences:
        complain(f"⚠ {sentence}")


def width() -> int | None:
    """Columns of the terminal, if standard output is one."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None


def _style(choice: str) -> Style:
    from orchestrator.cli.progress import style_for

    return style_for(
        choice,
        terminal=sys.stderr.isatty(),
        ci=bool(os.environ.get("CI")),
        dumb=os.environ.get("TERM") == "dumb",
    )


def show_examined(found: Iterable[Examined], machines: Sequence[Machine], *, as_json: bool) -> int:
    """What doctor found, a host as soon as it is known; the exit code counts those that can
    measure."""
    from orchestrator.diagnosis import checks

    names = [machine.name for machine in machines]
    hosts: dict[str, Examined] = {}
    with _waiting(names) as waiting:
        for host in found:
            hosts[host.host] = host
            waiting.got(host.host, "" if as_json else checks.paragraph(host, width()))
    ordered = [hosts[name] for name in names]
    print(checks.to_json(ordered) if as_json else checks.verdict(ordered))
    return checks.exit_code(ordered)


@dataclass(slots=True)
class _Waiting:
    """Answers above, and on a terminal below them a line that says whose are still to come."""

    names: list[str]
    live: bool

    def got(self, name: str, answer: str) -> None:
        """Show an answer of several lines, which may be empty."""
        self.names.remove(name)
        self.clear()
        if answer:
            _print_marked(answer)
        self.show()

    def show(self) -> None:
        if self.live and self.names:
            line = f"waiting for {', '.join(self.names)} …"
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
            shown = line if len(line) < columns else f"waiting for {len(self.names)} hosts …"
            print(shown, end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _print_marked(answer: str) -> None:
    """Marks in colour, where standard output is a terminal that wants it (NO_COLOR)."""
    from rich.console import Console
    from rich.text import Text

    text = Text(answer)
    for mark, style in _COLOURS.items():
        text.highlight_regex(f"(?m)^  {mark}", style)
    Console(highlight=False).print(text, soft_wrap=True)


@contextmanager
def _waiting(names: Sequence[str]) -> Iterator[_Waiting]:
    """Where it is no terminal that would show who is waited for, it is said once."""
    waiting = _Waiting(list(names), live=sys.stderr.isatty() and os.environ.get("TERM") != "dumb")
    if waiting.live:
        waiting.show()
    else:
        print(f"asking {', '.join(names)} …", file=sys.stderr, flush=True)
    try:
        yield waiting
    finally:
        waiting.clear()

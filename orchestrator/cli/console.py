"""What commands show while and after they work. With `exits` and `progress` all that ever prints;
standard output carries data only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.cli.exits import INTERRUPTED, complain
from orchestrator.errors import StorageError, UnwrittenError

if TYPE_CHECKING:
    from harness.contract.plan import Plan
    from orchestrator.cli.endings import Ending
    from orchestrator.cli.progress import Style
    from orchestrator.compare.comparison import Comparison
    from orchestrator.diagnosis.checks import Examined
    from orchestrator.fleet.fleet import InterruptedRunError, Observer
    from orchestrator.hosts.kinds.leftovers import Cleaned
    from orchestrator.inventory.machines import Machine
    from orchestrator.pipeline import Rendered
    from orchestrator.records.rundir import RunFolder

_COLOURS: Final = {"✓": "green", "✗": "bold red", "–": "dim"}


@dataclass(frozen=True, slots=True)
class Showing:
    """How to show a run and its end, and what Ctrl-C means in it."""

    progress: str
    ending: Ending
    detach: bool = False


def watch(
    folder: RunFolder,
    hosts: Sequence[str],
    showing: Showing,
    measure: Callable[[Observer], None],
) -> int:
    """Show a run while it measures, then render whatever there is: after Ctrl-C, too.

    Raises: RunError: another process is at it; else as `measure` and `conclude`.
    """
    with folder.held(), _noting_what_is_kept(folder):
        return _watch(folder, hosts, showing, measure)


@contextmanager
def _noting_what_is_kept(folder: RunFolder) -> Iterator[None]:
    """Whatever else goes wrong costs no record, and says so where `exits` tells it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"What was measured is kept in {folder.pasted}.")
        raise


def _watch(
    folder: RunFolder,
    hosts: Sequence[str],
    showing: Showing,
    measure: Callable[[Observer], None],
) -> int:
    from orchestrator.cli.progress import watching
    from orchestrator.fleet.fleet import InterruptedRunError

    interrupted: InterruptedRunError | None = None
    try:
        with watching(_style(showing.progress), tuple(hosts)) as observer:
            try:
                measure(observer)
            except InterruptedRunError as error:
                interrupted = error
        return _end(folder, showing, interrupted)
    except KeyboardInterrupt:  # once more, or before anything began: there is no time for a page
        _say_what_goes_on(folder, interrupted or InterruptedRunError())
        return INTERRUPTED


def _end(folder: RunFolder, showing: Showing, interrupted: InterruptedRunError | None) -> int:
    from orchestrator import pipeline

    try:
        rendered = pipeline.render(folder, showing.ending.against)
    except UnwrittenError as error:
        lost = _without_page(folder, error)
        if interrupted is None:
            raise lost from error
        complain(lost.sentence, lost.advice)
    else:
        code = conclude(rendered, showing.ending, interrupted=interrupted is not None)
        if interrupted is None:
            _say_how_to_go_on(folder, rendered.comparison)
            return code
    _say_what_goes_on(folder, interrupted)
    return INTERRUPTED


def _without_page(folder: RunFolder, error: UnwrittenError) -> StorageError:
    return StorageError(
        error.sentence,
        "Everything measured so far is kept. Make room, then write the page:  "
        f"python orchestrate.py report {folder.pasted}",
    )


def _say_how_to_go_on(folder: RunFolder, found: Comparison) -> None:
    """The command that measures what a lost host left, unless why it was lost ends with one."""
    lost = [host for host in found.hosts if any(row.lost for row in host.rows)]
    if any("python orchestrate.py" not in host.trouble for host in lost):
        complain(f"To measure the rest:  {_resuming(folder)}")


def _resuming(folder: RunFolder) -> str:
    """The command that measures what is left, on the GPUs of this machine that were chosen."""
    from orchestrator.hosts import local_gpus

    return f"{local_gpus.as_typed()}python orchestrate.py --resume {folder.pasted}"


def _say_what_goes_on(folder: RunFolder, interrupted: InterruptedRunError) -> None:
    resume = f"To measure the rest:  {_resuming(folder)}"
    if not interrupted.running:
        complain(
            "interrupted; everything measured so far is kept and nothing goes on running", resume
        )
        return
    names = ", ".join(interrupted.running)
    why = "as asked" if interrupted.detached else "because they could not be told to stop in time"
    complain(
        f"interrupted; everything measured so far is kept. Still measuring, {why}: {names}",
        f"To follow them again:  python orchestrate.py attach {folder.pasted}\n"
        f"To end them:  python orchestrate.py clean {folder.pasted} --force",
    )


def conclude_complete(folder: RunFolder, ending: Ending) -> int:
    """A run that lacks nothing, or nothing that measuring it again would bring: its page anew."""
    from orchestrator import pipeline

    complain(f"run {folder.path.name} is complete: nothing is left to measure")
    with folder.held():
        return conclude(pipeline.render(folder, ending.against), ending)


def conclude(rendered: Rendered, ending: Ending, *, interrupted: bool = False) -> int:
    """Print the summary, the page's path and, last, the answer; judge what was asked for."""
    from orchestrator import pipeline
    from orchestrator.cli import endings, summary

    endings.refresh_index(ending.output, rendered.page)
    if ending.as_json:
        print(summary.to_json(rendered.comparison, rendered.page, rendered.changes))
    else:
        print(summary.to_text(rendered.comparison, rendered.page, width(), rendered.changes))
    sys.stdout.flush()  # what cannot be written is to be known while the run is
    if interrupted:
        return 0
    code = pipeline.exit_code(rendered.comparison)
    return endings.gate(rendered.changes, ending.limit_percent) or code


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


def forewarn(plan: Plan, machines: Sequence[Machine]) -> None:
    """Say what a user should know before a long run starts."""
    from orchestrator.cli import forecast

    for line in forecast.forewarning(plan, machines):
        print(line, file=sys.stderr)


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

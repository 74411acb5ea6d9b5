"""What commands show while and after they work. With `exits` and `progress` all that ever prints;
standard output carries data only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.exits import INTERRUPTED, complain

if TYPE_CHECKING:
    from harness.plan import Plan
    from orchestrator.checks import Examined
    from orchestrator.cleaning import Cleaned
    from orchestrator.endings import Ending
    from orchestrator.fleet import InterruptedRunError, Observer
    from orchestrator.inventory import Machine
    from orchestrator.pipeline import Rendered
    from orchestrator.progress import Style
    from orchestrator.rundir import RunFolder


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
    """Show a run while it measures, then render whatever there is: after Ctrl-C, too."""
    from orchestrator.fleet import InterruptedRunError
    from orchestrator.progress import watching

    interrupted: InterruptedRunError | None = None
    try:
        with watching(_style(showing.progress), tuple(hosts)) as observer:
            try:
                measure(observer)
            except InterruptedRunError as error:
                interrupted = error
        return _end(folder, showing, interrupted)
    except KeyboardInterrupt:  # once more, or before anything began: there is no time for a page
        _say_what_goes_on(folder, InterruptedRunError(), detached=False)
        return INTERRUPTED


def _end(folder: RunFolder, showing: Showing, interrupted: InterruptedRunError | None) -> int:
    from orchestrator import pipeline

    rendered = pipeline.render(folder, showing.ending.against)
    code = conclude(rendered, showing.ending, interrupted=interrupted is not None)
    if interrupted is None:
        return code
    _say_what_goes_on(folder, interrupted, detached=showing.detach)
    return INTERRUPTED


def _say_what_goes_on(
    folder: RunFolder, interrupted: InterruptedRunError, *, detached: bool
) -> None:
    resume = f"To measure the rest:  python orchestrate.py --resume {folder.path}"
    if not interrupted.running:
        complain(
            "interrupted; everything measured so far is kept and nothing goes on running", resume
        )
        return
    names = ", ".join(interrupted.running)
    why = "as asked" if detached else "because they could not be told to stop in time"
    complain(
        f"interrupted; everything measured so far is kept. Still measuring, {why}: {names}",
        f"To follow them again:  python orchestrate.py attach {folder.path}\n"
        f"To end them:  python orchestrate.py clean {folder.path} --force",
    )


def conclude(rendered: Rendered, ending: Ending, *, interrupted: bool = False) -> int:
    """Print the summary, the page's path and, last, the answer; judge what was asked for."""
    from orchestrator import endings, pipeline, summary

    endings.refresh_index(ending.output, rendered.page)
    if ending.as_json:
        print(summary.to_json(rendered.comparison, rendered.page))
    else:
        print(summary.to_text(rendered.comparison, rendered.page, width()))
    if interrupted:
        return 0
    code = pipeline.exit_code(rendered.comparison)
    return endings.gate(rendered.changes, ending.limit_percent) or code


def show_plan(plan: Plan, machines: Sequence[Machine], *, as_json: bool) -> int:
    """Print what would be measured."""
    from orchestrator import summary

    print(summary.plan_json(plan) if as_json else summary.plan_text(plan, machines))
    return 0


def show_cleaned(hosts: Sequence[Cleaned]) -> int:
    """Print what was removed and what was not; 1 if a host could not be looked at."""
    for host in hosts:
        for what in host.removed:
            print(f"{host.host}: removed {what}")
        for what in host.kept:
            print(f"{host.host}: kept {what}")
        if host.failed:
            complain(host.failed)
        elif not host.removed and not host.kept:
            print(f"{host.host}: nothing to remove")
    return int(any(host.failed for host in hosts))


def forewarn(plan: Plan, machines: Sequence[Machine]) -> None:
    """Say what a user should know before a long run starts."""
    from orchestrator import summary

    for line in summary.forewarning(plan, machines):
        print(line, file=sys.stderr)


def width() -> int | None:
    """Columns of the terminal, if standard output is one."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None


def _style(choice: str) -> Style:
    from orchestrator.progress import style_for

    return style_for(
        choice,
        terminal=sys.stderr.isatty(),
        ci=bool(os.environ.get("CI")),
        dumb=os.environ.get("TERM") == "dumb",
    )


def announce_examination(machines: Sequence[Machine]) -> None:
    """A host that does not answer takes a while to be given up."""
    from orchestrator import wording

    print(f"asking {wording.listed([machine.name for machine in machines])} …", file=sys.stderr)


def show_examined(hosts: Sequence[Examined], *, as_json: bool) -> int:
    """What doctor found; the exit code counts the hosts that can measure."""
    from orchestrator import checks

    print(checks.to_json(hosts) if as_json else checks.to_text(hosts))
    return checks.exit_code(hosts)

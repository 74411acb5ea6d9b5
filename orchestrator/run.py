"""The line: hosts and a plan -> records on disk -> comparison -> page, exports and exit code.

It decides, be a run new, or lack something, or go on without a terminal. Whoever shows it to a user
is told, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeAlias

from harness.contract.plan import Plan
from orchestrator.changes import gate
from orchestrator.changes.gate import Gate
from orchestrator.compare import runs
from orchestrator.compare.comparison import Comparison
from orchestrator.errors import DeskError, StorageError, UnwrittenError
from orchestrator.fleet import attaching, cleaning
from orchestrator.fleet.fleet import InterruptedRunError, Observer
from orchestrator.fleet.measuring import Run
from orchestrator.hosts import Host, local_gpus, opening
from orchestrator.hosts.contained import Terms
from orchestrator.hosts.image import ImageSource
from orchestrator.hosts.kinds.leftovers import Wish
from orchestrator.inventory.machines import Machine
from orchestrator.publish import index_page, rendering
from orchestrator.publish.rendering import Rendered
from orchestrator.records.rundir import RunFolder

Measure: TypeAlias = Callable[[Observer], None]


class Display(Protocol):
    """Whoever shows a run to its user."""

    def watching(self, hosts: Sequence[str]) -> AbstractContextManager[Observer]:
        """Show hosts at work."""
        ...

    def forewarn(self, plan: Plan, machines: Sequence[Machine]) -> None:
        """Say what a user should know before a long run starts."""
        ...

    def complain(self, sentence: str, advice: str = "") -> None:
        """Say what is not as it should be, and what to do."""
        ...

    def results(self, rendered: Rendered) -> None:
        """Show what was found, and where it was written."""
        ...

    def regressions(self, found: Gate) -> None:
        """Say which cases became slower than they may, or work no more."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What becomes of a run's records: `output` has the index that lists it, `against` is what its
    page holds it against, `limit_percent` how much slower than that a case may have become."""

    output: Path
    against: Comparison | None = None
    limit_percent: float | None = None

    @classmethod
    def of(
        cls, output: Path, baseline: str, limit_percent: float | None, of: RunFolder | None = None
    ) -> Self:
        """Find the baseline of a run, before anything is measured. Raises: UsageError."""
        against = runs.baseline(output, baseline, of)
        gate.require_limit(limit_percent, against)
        return cls(output, against, limit_percent)


@dataclass(frozen=True, slots=True)
class Line:
    """Takes a run from its hosts to its exit code.

    `detach`: on Ctrl-C leave running what can run without this program, instead of stopping it.
    Every method returns an exit code, or raises a DeskError.
    """

    report: Report
    display: Display
    detach: bool = False

    def start(
        self,
        plan: Plan,
        machines: Sequence[Machine],
        source: ImageSource,
        terms: Terms,
        arguments: Sequence[str],
    ) -> int:
        """A new run; `arguments` are those of the command, for the page."""
        hosts = opening.checked(opening.hosts_for(machines, source, terms), plan)
        run = Run.new(self.report.output, plan, machines, arguments)
        self.display.forewarn(plan, machines)
        with run.folder.held():
            return self._measured(run, hosts)

    def resume(
        self, folder: RunFolder, machines: Sequence[Machine], source: ImageSource, terms: Terms
    ) -> int:
        """What an earlier run lacks."""
        with folder.held():
            run = Run.of(folder)
            if not run.longest.attempts():
                done = f"run {folder.path.name} is complete: nothing is left to measure"
                self.display.complain(done)
                return self.render(folder)
            hosts = opening.checked(opening.hosts_for(machines, source, terms), run.plan)
            self.display.forewarn(run.longest, machines)
            return self._measured(run, hosts)

    def attach(self, folder: RunFolder, machines: Sequence[Machine], terms: Terms) -> int:
        """A run whose terminal is gone, and whose harnesses may go on."""

        def take_up(observer: Observer) -> None:
            attaching.attach(folder, machines, observer, terms, detach=self.detach)
            # Containers whose last record came before the terminal died.
            for _ in cleaning.clean(machines, Wish(folder.path.name), folder.path.parent):
                pass

        with folder.held():
            return self.follow(folder, [machine.name for machine in machines], take_up)

    def render(self, folder: RunFolder, into: Path | None = None) -> int:
        """Page and exports of what there is; `into` a folder, the run's own by default."""
        return self.conclude(rendering.render(folder, self.report.against, into))

    def conclude(self, rendered: Rendered) -> int:
        """Show what was written, and judge what was asked for."""
        self._show(rendered)
        code = rendering.exit_code(rendered.comparison)
        if rendered.changes is None or self.report.limit_percent is None:
            return code
        passed = gate.judge(rendered.changes, self.report.limit_percent)
        self.display.regressions(passed)
        return passed.exit_code or code

    def follow(self, folder: RunFolder, hosts: Sequence[str], measure: Measure) -> int:
        """Show a run while it measures, then render whatever there is: after Ctrl-C, too."""
        interrupted: InterruptedRunError | None = None
        with _noting_what_is_kept(folder):
            try:
                with self.display.watching(hosts) as observer:
                    try:
                        measure(observer)
                    except InterruptedRunError as error:
                        interrupted = error
                return self._end(folder, interrupted)
            except KeyboardInterrupt:  # again, or before anything began: no time for a page
                self._say_what_goes_on(folder, interrupted or InterruptedRunError())
                return InterruptedRunError.exit_code

    def _measured(self, run: Run, hosts: Sequence[Host]) -> int:
        names = list(dict.fromkeys(host.name for host in hosts))
        detach = self.detach
        return self.follow(
            run.folder, names, lambda observer: run.measure(hosts, observer, detach=detach)
        )

    def _end(self, folder: RunFolder, interrupted: InterruptedRunError | None) -> int:
        try:
            rendered = rendering.render(folder, self.report.against)
        except UnwrittenError as error:
            lost = _without_page(folder, error)
            if interrupted is None:
                raise lost from error
            self.display.complain(lost.sentence, lost.advice)
        else:
            if interrupted is None:
                code = self.conclude(rendered)
                self._say_how_to_go_on(folder, rendered.comparison)
                return code
            self._show(rendered)
        self._say_what_goes_on(folder, interrupted)
        return InterruptedRunError.exit_code

    def _show(self, rendered: Rendered) -> None:
        self._list(rendered.page)
        self.display.results(rendered)

    def _list(self, page: Path) -> None:
        """List a run that was just written; a folder that it is not in stays as it is. An index
        that cannot be written costs the run nothing but a sentence."""
        if page.parent.parent != self.report.output.resolve():
            return
        try:
            index_page.rebuild(self.report.output)
        except DeskError as error:
            self.display.complain(error.sentence, error.advice)

    def _say_how_to_go_on(self, folder: RunFolder, found: Comparison) -> None:
        """The command that measures what a lost host left, unless why it was lost ends with
        one."""
        lost = [host for host in found.hosts if any(row.lost for row in host.rows)]
        if any("python orchestrate.py" not in host.trouble for host in lost):
            self.display.complain(f"To measure the rest:  {_resuming(folder)}")

    def _say_what_goes_on(self, folder: RunFolder, interrupted: InterruptedRunError) -> None:
        if not interrupted.running:
            self.display.complain(
                "interrupted; everything measured so far is kept and nothing goes on running",
                f"To measure the rest:  {_resuming(folder)}",
            )
            return
        names = ", ".join(interrupted.running)
        unheard = "because they could not be told to stop in time"
        why = "as asked" if interrupted.detached else unheard
        self.display.complain(
            f"interrupted; everything measured so far is kept. Still measuring, {why}: {names}",
            f"To follow them again:  python orchestrate.py attach {folder.pasted}\n"
            f"To end them:  python orchestrate.py clean {folder.pasted} --force",
        )


@contextmanager
def _noting_what_is_kept(folder: RunFolder) -> Iterator[None]:
    """Whatever else goes wrong costs no record, and says so where it is told."""
    try:
        yield
    except Exception as error:
        error.add_note(f"What was measured is kept in {folder.pasted}.")
        raise


def _without_page(folder: RunFolder, error: UnwrittenError) -> StorageError:
    return StorageError(
        error.sentence,
        "Everything measured so far is kept. Make room, then write the page:  "
        f"python orchestrate.py report {folder.pasted}",
    )


def _resuming(folder: RunFolder) -> str:
    """The command that measures what is left, on the GPUs of this machine that were chosen."""
    return f"{local_gpus.as_typed()}python orchestrate.py --resume {folder.pasted}"

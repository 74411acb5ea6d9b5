"""The command line: parses, calls one room after the other, prints what they say. Nothing else
but `cli_runs`, which has the commands about runs on disk, prints to standard output.

Imports inside functions keep `--help` fast: most of what a run needs is not needed to describe it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from orchestrator import cli_runs, options, options_runs
from orchestrator.errors import UsageError
from orchestrator.exits import INTERRUPTED, complain, guard, speaking

if TYPE_CHECKING:
    from harness.plan import Plan
    from orchestrator.hosts import Host
    from orchestrator.pipeline import Rendered
    from orchestrator.progress import Style
    from orchestrator.rundir import RunFolder

# What a plan is made of; with --resume the plan is that of the run.
PLAN_OPTIONS: Final = (
    "hosts", "models", "modes", "batch_sizes", "precisions", "iterations", "weights", "image",
    "quick", "backend", "size",
)  # fmt: skip

HELP: Final = "\n\n".join((
    "Is torch.compile worth it for my vision model on my GPU, and how sure can I be?",
    "Measures Hugging Face vision models eager against torch.compile, and writes one "
    "self-contained HTML page with raw samples and exports beside it.",
    "To try it in minutes, without a GPU or network: "
    "[bold]python orchestrate.py --quick[/bold]",
))  # fmt: skip

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True, help=HELP)
@speaking
def run(
    context: typer.Context,
    hosts: options.Hosts = "local",
    models: options.Models = None,
    modes: options.Modes = "default",
    batch_sizes: options.BatchSizes = None,
    precisions: options.Precisions = "float32",
    iterations: options.Iterations = None,
    until: options.Until = None,
    warm_cache: options.WarmCache = False,
    weights: options.Weights = None,
    image: options.Image = None,
    quick: options.Quick = False,
    resume: options.Resume = None,
    dry_run: options.DryRun = False,
    output: options.Output = Path("reports"),
    progress: options.Progress = options.ProgressStyle.AUTO,
    as_json: options.Json = False,
    baseline: options_runs.Baseline = "published",
    fail_on_regression: options_runs.FailOnRegression = None,
    backend: options.Backend = options.BackendName.INDUCTOR,
    size: options.Size = options.SizeName.FULL,
) -> int | None:
    """Measure, collect, render: the main job."""
    if context.invoked_subcommand is not None:
        _refuse_options_before_a_command(context)
        return None
    from orchestrator import planning
    from orchestrator.rundir import RunFolder

    if resume is not None:
        _refuse_a_second_plan(context)
        folder = RunFolder.find(output, resume)
        against = cli_runs.against(output, baseline, fail_on_regression, folder)
        ending = cli_runs.Ending(output, against, fail_on_regression, as_json)
        return _resume(folder, progress, ending, dry_run=dry_run)
    against = cli_runs.against(output, baseline, fail_on_regression)
    ending = cli_runs.Ending(output, against, fail_on_regression, as_json)
    plan = planning.make(
        planning.Choices(
            models=models,
            modes=modes,
            batch_sizes=batch_sizes,
            precisions=precisions,
            iterations=iterations,
            until=until,
            warm_cache=warm_cache,
            weights=weights.value if weights else None,
            image=image,
            backend=backend.value,
            size=size.value,
            quick=quick,
        )
    )
    return _run(_hosts(_names(hosts)), plan, progress, ending, dry_run=dry_run)


@app.command()
@speaking
def report(
    run: options.Run,
    output: options.Output = Path("reports"),
    as_json: options.Json = False,
    baseline: options_runs.Baseline = "published",
    fail_on_regression: options_runs.FailOnRegression = None,
) -> int:
    """Render a run again from its records; needs neither torch nor Docker.

    RUN may also be [bold]published[/bold]: the table that Hugging Face published in 2023.
    """
    from orchestrator import pipeline
    from orchestrator.published_table import PUBLISHED_RUN
    from orchestrator.rundir import RunFolder

    if run == PUBLISHED_RUN:
        cli_runs.refuse_baseline_of_published(baseline, fail_on_regression)
    folder = None if run == PUBLISHED_RUN else RunFolder.find(output, run)
    against = cli_runs.against(output, baseline, fail_on_regression, folder)
    ending = cli_runs.Ending(output, against, fail_on_regression, as_json)
    if folder is None:
        return _conclude(pipeline.render_published(output), ending)
    return _conclude(pipeline.render(folder, against), ending)


@app.command()
@speaking
def models(as_json: options.Json = False) -> int:
    """List the twelve models of the published table."""
    from orchestrator import summary

    print(summary.catalogue_json() if as_json else summary.catalogue_table(cli_runs.width()))
    return 0


app.command()(speaking(cli_runs.compare))
app.command()(speaking(cli_runs.index))
app.command()(speaking(cli_runs.export))


def _run(
    hosts: Sequence[Host],
    plan: Plan,
    progress: options.ProgressStyle,
    ending: cli_runs.Ending,
    *,
    dry_run: bool,
) -> int:
    from orchestrator import pipeline, summary

    if dry_run:
        print(summary.plan_json(plan) if ending.as_json else summary.plan_text(plan, hosts))
        return 0
    pipeline.require_usable(hosts, plan)
    folder = pipeline.new_run(ending.output, plan, hosts, sys.argv[1:])
    return _measure(folder, hosts, plan, progress, ending)


def _resume(
    folder: RunFolder, progress: options.ProgressStyle, ending: cli_runs.Ending, *, dry_run: bool
) -> int:
    from orchestrator import pipeline, planning, summary

    hosts = _hosts(folder.meta().hosts)
    plan = folder.plan()
    rest = [planning.for_resume(plan, outcome) for outcome in folder.outcomes()]
    longest = max(rest, key=lambda one: len(one.cases()))
    if dry_run:
        print(summary.plan_json(longest) if ending.as_json else summary.plan_text(longest, hosts))
        return 0
    pipeline.require_usable(hosts, plan)
    return _measure(folder, hosts, longest, progress, ending)


def _measure(
    folder: RunFolder,
    hosts: Sequence[Host],
    plan: Plan,
    progress: options.ProgressStyle,
    ending: cli_runs.Ending,
) -> int:
    """Measure, then render whatever there is: after Ctrl-C, too."""
    from orchestrator import pipeline, summary
    from orchestrator.fleet import InterruptedRunError
    from orchestrator.progress import watching

    for line in summary.forewarning(plan):
        print(line, file=sys.stderr)
    interrupted = False
    with watching(_style(progress), tuple(host.name for host in hosts)) as observer:
        try:
            pipeline.measure(folder, hosts, observer)
        except InterruptedRunError:
            interrupted = True
    code = _conclude(pipeline.render(folder, ending.against), ending, interrupted=interrupted)
    if interrupted:
        complain(
            "interrupted; everything measured so far is kept and nothing goes on running",
            f"To measure the rest:  python orchestrate.py --resume {folder.path}",
        )
        return INTERRUPTED
    return code


def _conclude(rendered: Rendered, ending: cli_runs.Ending, *, interrupted: bool = False) -> int:
    """Print the summary, the page's path and, last, the answer; judge what was asked for."""
    from orchestrator import pipeline, summary

    cli_runs.refresh_index(ending.output, rendered.page)
    if ending.as_json:
        print(summary.to_json(rendered.comparison, rendered.page))
    else:
        print(summary.to_text(rendered.comparison, rendered.page, cli_runs.width()))
    if interrupted:
        return 0
    code = pipeline.exit_code(rendered.comparison)
    return cli_runs.gate(rendered.changes, ending.limit_percent) or code


def _hosts(names: Sequence[str]) -> tuple[Host, ...]:
    from orchestrator import inventory
    from orchestrator.hosts.local import LocalHost

    return tuple(LocalHost(name) for name in inventory.resolve(names))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _style(choice: options.ProgressStyle) -> Style:
    from orchestrator.progress import style_for

    return style_for(
        choice.value,
        terminal=sys.stderr.isatty(),
        ci=bool(os.environ.get("CI")),
        dumb=os.environ.get("TERM") == "dumb",
    )


def _given(context: typer.Context) -> list[str]:
    """The options that stand on the command line, by parameter name."""
    return [
        name
        for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]


def _refuse_a_second_plan(context: typer.Context) -> None:
    for name in _given(context):
        if name in PLAN_OPTIONS:
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with --resume, which keeps the plan of "
                "its run",
                "Leave it out, or start a new run without --resume.",
            )


def _refuse_options_before_a_command(context: typer.Context) -> None:
    for name in _given(context):
        raise UsageError(
            f"--{name.replace('_', '-')} stands before the command "
            f"{context.invoked_subcommand}, where it has no effect",
            f"Put it behind:  python orchestrate.py {context.invoked_subcommand} …",
        )


def main() -> None:
    """Run the command line."""
    guard(app)

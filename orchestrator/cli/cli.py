"""The command line: parses, calls one room after the other, has the console print what they say.

Imports inside functions keep `--help` fast: most of what a run needs is not needed to describe it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import typer

from orchestrator.cli import cli_hosts, cli_runs, console, options, options_runs
from orchestrator.cli.console import Terminal
from orchestrator.cli.exits import guard, speaking
from orchestrator.cli.options import Interruption
from orchestrator.errors import UsageError

# What a plan is made of; with --resume the plan is that of the run.
PLAN_OPTIONS: Final = (
    "hosts", "models", "modes", "batch_sizes", "precisions", "iterations", "until", "warm_cache",
    "weights", "allow_pickle", "image", "quick", "case_processes", "backend", "size",
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
    allow_pickle: options.AllowPickle = False,
    image: options.Image = None,
    quick: options.Quick = False,
    resume: options.Resume = None,
    dry_run: options.DryRun = False,
    output: options.Output = Path("reports"),
    progress: options.Progress = options.ProgressStyle.AUTO,
    as_json: options.Json = False,
    no_redact: options.NoRedact = False,
    baseline: options_runs.Baseline = "published",
    fail_on_regression: options_runs.FailOnRegression = None,
    inventory: options.Inventory = None,
    image_source: options.ImageSource = "build",
    build_arg: options.BuildArg = None,
    on_interrupt: options.OnInterrupt = Interruption.STOP,
    deadline: options.Deadline = 24.0,
    patience: options.Patience = 10.0,
    case_processes: options.CaseProcesses = options.CaseProcessesName.AUTO,
    backend: options.Backend = options.BackendName.INDUCTOR,
    size: options.Size = options.SizeName.FULL,
) -> int | None:
    """Measure, collect, render: the main job."""
    if context.invoked_subcommand is not None:
        _refuse_options_before_a_command(context)
        return None
    from orchestrator import planning, redaction
    from orchestrator.fleet.measuring import Run
    from orchestrator.hosts import opening
    from orchestrator.hosts.contained import Terms
    from orchestrator.hosts.image import parse_source
    from orchestrator.records.rundir import RunFolder
    from orchestrator.run import Line, Report

    redaction.keep_places(no_redact)
    if resume is not None:
        _refuse_a_second_plan(context)
    folder = None if resume is None else RunFolder.find(output, resume)
    kept = Report.of(output, baseline, fail_on_regression, folder)
    line = Line(kept, Terminal(progress.value, as_json), on_interrupt is Interruption.DETACH)
    source = parse_source(image_source, build_arg or [])
    terms = Terms(deadline * 3600, patience * 60)
    if folder is not None:
        machines = opening.machines_of(folder, inventory)
        if dry_run:
            return console.show_plan(Run.of(folder).longest, machines, as_json=as_json)
        return line.resume(folder, machines, source, terms)
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
            allow_pickle=allow_pickle,
            image=image,
            backend=backend.value,
            size=size.value,
            quick=quick,
            case_processes=case_processes.value,
        )
    )
    machines = cli_hosts.resolve(hosts, inventory)
    if dry_run:
        return console.show_plan(plan, machines, as_json=as_json)
    return line.start(plan, machines, source, terms, sys.argv[1:])


@app.command()
@speaking
def report(
    run: options.Run,
    output: options_runs.Output = None,
    baseline: options_runs.Baseline = "published",
    fail_on_regression: options_runs.FailOnRegression = None,
    as_json: options.Json = False,
    no_redact: options.NoRedact = False,
) -> int:
    """Render a run again from its records; needs neither torch nor Docker.

    RUN may also be [bold]published[/bold]: the table that Hugging Face published in 2023.
    """
    from orchestrator import redaction
    from orchestrator.compare import runs
    from orchestrator.compare.published_table import PUBLISHED_RUN
    from orchestrator.publish import rendering
    from orchestrator.records.rundir import RunFolder
    from orchestrator.run import Line, Report

    redaction.keep_places(no_redact)
    place, terminal = output or runs.OUTPUT, Terminal("none", as_json)
    if run == PUBLISHED_RUN:
        cli_runs.refuse_baseline_of_published(baseline, fail_on_regression)
        return Line(Report(place), terminal).conclude(rendering.render_published(place))
    folder = RunFolder.find(place, run)
    kept = Report.of(place, baseline, fail_on_regression, folder)
    return Line(kept, terminal).render(folder, runs.place_for(folder, output))


@app.command()
@speaking
def models(as_json: options.Json = False) -> int:
    """List the twelve models of the published table."""
    from orchestrator.cli import summary

    print(summary.catalogue_json() if as_json else summary.catalogue_table(console.width()))
    return 0


app.command()(speaking(cli_runs.compare))
app.command()(speaking(cli_runs.index))
app.command()(speaking(cli_runs.export))


app.command()(speaking(cli_hosts.doctor))
app.command()(speaking(cli_hosts.attach))
app.command()(speaking(cli_hosts.clean))


def _given(context: typer.Context) -> list[str]:
    """The options that stand on the command line, by parameter name."""
    return [
        name
        for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]


def _option(context: typer.Context, name: str) -> str:
    """How a user writes the option behind a parameter."""
    return next(each.opts[0] for each in context.command.params if each.name == name)


def _refuse_a_second_plan(context: typer.Context) -> None:
    for name in _given(context):
        if name in PLAN_OPTIONS:
            raise UsageError(
                f"{_option(context, name)} does not go with --resume, which keeps the plan of "
                "its run",
                "Leave it out, or start a new run without --resume.",
            )


def _refuse_options_before_a_command(context: typer.Context) -> None:
    for name in _given(context):
        raise UsageError(
            f"{_option(context, name)} stands before the command "
            f"{context.invoked_subcommand}, where it has no effect",
            f"Put it behind:  python orchestrate.py {context.invoked_subcommand} …",
        )


def main() -> None:
    """Run the command line."""
    guard(app)

"""The command line: parses, calls one room after the other, has the console print what they say.

Imports inside functions keep `--help` fast: most of what a run needs is not needed to describe it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from orchestrator import cli_runs, console, endings, options, options_runs
from orchestrator.console import Showing
from orchestrator.endings import Ending
from orchestrator.errors import UsageError
from orchestrator.exits import guard, speaking
from orchestrator.options import Interruption

if TYPE_CHECKING:
    from orchestrator.fleet import Observer
    from orchestrator.inventory import Machine

# What a plan is made of; with --resume the plan is that of the run.
PLAN_OPTIONS: Final = (
    "hosts", "models", "modes", "batch_sizes", "precisions", "iterations", "until", "warm_cache",
    "weights", "image", "quick", "backend", "size",
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
    inventory: options.Inventory = None,
    image_source: options.ImageSource = "build",
    build_arg: options.BuildArg = None,
    on_interrupt: options.OnInterrupt = Interruption.STOP,
    deadline: options.Deadline = 24.0,
    patience: options.Patience = 10.0,
    backend: options.Backend = options.BackendName.INDUCTOR,
    size: options.Size = options.SizeName.FULL,
) -> int | None:
    """Measure, collect, render: the main job."""
    if context.invoked_subcommand is not None:
        _refuse_options_before_a_command(context)
        return None
    from orchestrator import measuring, planning
    from orchestrator.hosts.contained import Terms
    from orchestrator.hosts.image import parse_source
    from orchestrator.rundir import RunFolder

    if resume is not None:
        _refuse_a_second_plan(context)
    folder = None if resume is None else RunFolder.find(output, resume)
    against = endings.against(output, baseline, fail_on_regression, folder)
    ending = Ending(output, against, fail_on_regression, as_json)
    ways = measuring.Ways(
        parse_source(image_source, build_arg or []),
        Terms(deadline * 3600, patience * 60),
        Showing(progress.value, ending, detach=on_interrupt is Interruption.DETACH),
    )
    if folder is not None:
        return measuring.resume(folder, inventory, ways, dry_run=dry_run)
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
    machines = _resolve(hosts, inventory)
    if dry_run:
        return console.show_plan(plan, machines, as_json=as_json)
    return measuring.run(machines, plan, ways)


@app.command()
@speaking
def report(
    run: options.Run,
    output: options_runs.Output = None,
    baseline: options_runs.Baseline = "published",
    fail_on_regression: options_runs.FailOnRegression = None,
    as_json: options.Json = False,
) -> int:
    """Render a run again from its records; needs neither torch nor Docker.

    RUN may also be [bold]published[/bold]: the table that Hugging Face published in 2023.
    """
    from orchestrator import pipeline, runs
    from orchestrator.published_table import PUBLISHED_RUN
    from orchestrator.rundir import RunFolder

    place = output or runs.OUTPUT
    if run == PUBLISHED_RUN:
        endings.refuse_baseline_of_published(baseline, fail_on_regression)
        published = pipeline.render_published(place)
        return console.conclude(published, Ending(place, None, None, as_json))
    folder = RunFolder.find(place, run)
    against = endings.against(place, baseline, fail_on_regression, folder)
    ending = Ending(place, against, fail_on_regression, as_json)
    rendered = pipeline.render(folder, against, runs.place_for(folder, output))
    return console.conclude(rendered, ending)


@app.command()
@speaking
def models(as_json: options.Json = False) -> int:
    """List the twelve models of the published table."""
    from orchestrator import summary

    print(summary.catalogue_json() if as_json else summary.catalogue_table(console.width()))
    return 0


app.command()(speaking(cli_runs.compare))
app.command()(speaking(cli_runs.index))
app.command()(speaking(cli_runs.export))


@app.command()
@speaking
def doctor(
    hosts: options.Hosts = "local",
    inventory: options.Inventory = None,
    image_source: options.ImageSource = "build",
    build_arg: options.BuildArg = None,
    as_json: options.Json = False,
) -> int:
    """Check each host, start nothing, and say how to mend what is wrong.

    Exit code 0: all can measure; 1: some can; 3: none can.
    """
    from orchestrator import doctor
    from orchestrator.hosts.image import parse_source

    source, machines = parse_source(image_source, build_arg or []), _resolve(hosts, inventory)
    console.announce_examination(machines)
    return console.show_examined(doctor.examine(machines, source), as_json=as_json)


@app.command()
@speaking
def attach(
    run: options.OneRun,
    output: options.Output = Path("reports"),
    inventory: options.Inventory = None,
    on_interrupt: options.OnInterrupt = Interruption.STOP,
    patience: options.Patience = 10.0,
    progress: options.Progress = options.ProgressStyle.AUTO,
    as_json: options.Json = False,
    baseline: options_runs.Baseline = "published",
    fail_on_regression: options_runs.FailOnRegression = None,
) -> int:
    """Follow a run whose terminal is gone, and finish its report."""
    from orchestrator import attaching, cleaning, pipeline
    from orchestrator.cleaning import Wish
    from orchestrator.hosts.contained import Terms
    from orchestrator.rundir import RunFolder

    folder = RunFolder.find(output, run)
    machines = pipeline.machines_of(folder, inventory)
    against = endings.against(output, baseline, fail_on_regression, folder)
    ending = Ending(output, against, fail_on_regression, as_json)
    showing = Showing(progress.value, ending, detach=on_interrupt is Interruption.DETACH)
    terms = Terms(patience_s=patience * 60)

    def follow(observer: Observer) -> None:
        attaching.attach(folder, machines, observer, terms, detach=showing.detach)
        # Containers whose last record came before the terminal died.
        cleaning.clean(machines, Wish(folder.path.name), folder.path.parent)

    return console.watch(folder, [machine.name for machine in machines], showing, follow)


@app.command()
@speaking
def clean(
    run: options.AnyRun = None,
    hosts: options.AnyHosts = None,
    output: options.Output = Path("reports"),
    inventory: options.Inventory = None,
    force: options.Force = False,
    images: options.Images = False,
    volumes: options.Volumes = False,
) -> int:
    """Remove what runs left on their hosts, and lose no record that nobody fetched."""
    from orchestrator import cleaning
    from orchestrator.cleaning import Wish

    machines, run_id = _to_clean(run, hosts, output, inventory)
    wish = Wish(run_id, force, images, volumes)
    return console.show_cleaned(cleaning.clean(machines, wish, output))


def _to_clean(
    run: str | None, hosts: str | None, output: Path, file: Path | None
) -> tuple[Sequence[Machine], str | None]:
    """Which machines to clean, and of which run."""
    from orchestrator import inventory, pipeline
    from orchestrator.rundir import RunFolder

    if run is not None:
        folder = RunFolder.find(output, run)
        machines = _resolve(hosts, file) if hosts else pipeline.machines_of(folder, file)
        return machines, folder.path.name
    machines = _resolve(hosts, file) if hosts else tuple(inventory.read(file).values())
    if not machines:
        raise UsageError("clean does not know where", "Name a run, or hosts with --hosts.")
    return machines, None


def _resolve(hosts: str, file: Path | None) -> tuple[Machine, ...]:
    from orchestrator import inventory

    names = tuple(name.strip() for name in hosts.split(",") if name.strip())
    return inventory.resolve(names, file)


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

"""The commands about other machines: doctor, attach, clean.

Imports inside functions for the same reason as in `cli`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli import console, options, options_runs
from orchestrator.cli.console import Terminal
from orchestrator.cli.options import Interruption
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.inventory.machines import Machine


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
    from orchestrator.fleet import doctor
    from orchestrator.hosts.image import parse_source
    from orchestrator.hosts.kinds import registry

    source, machines = parse_source(image_source, build_arg or []), resolve(hosts, inventory)
    console.warn_of(sentence for kind in registry.settings() for sentence in kind.damaged())
    return console.show_examined(doctor.examine(machines, source), machines, as_json=as_json)


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
    from orchestrator.hosts import opening
    from orchestrator.hosts.contained import Terms
    from orchestrator.records.rundir import RunFolder
    from orchestrator.run import Line, Report

    folder = RunFolder.find(output, run)
    machines = opening.machines_of(folder, inventory)
    kept = Report.of(output, baseline, fail_on_regression, folder)
    line = Line(kept, Terminal(progress.value, as_json), on_interrupt is Interruption.DETACH)
    return line.attach(folder, machines, Terms(patience_s=patience * 60))


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
    from orchestrator.fleet import cleaning
    from orchestrator.hosts.kinds.leftovers import Wish

    machines, run_id, place = _to_clean(run, hosts, output, inventory)
    littered = cleaning.littered(machines)
    if not littered:
        raise UsageError(
            "there is nothing to clean: what is measured on this machine leaves nothing behind",
            "Name hosts with --hosts.",
        )
    wish = Wish(run_id, force, images, volumes)
    return console.show_cleaned(cleaning.clean(littered, wish, place), littered)


def _to_clean(
    run: str | None, hosts: str | None, output: Path, file: Path | None
) -> tuple[Sequence[Machine], str | None, Path]:
    """Which machines to clean, of which run, and where runs are; its folder may be gone where hosts
    are named."""
    from orchestrator.hosts import opening
    from orchestrator.hosts.kinds import registry
    from orchestrator.inventory import inventory
    from orchestrator.records.rundir import RunFolder

    if run is not None:
        if hosts:
            return resolve(hosts, file), *_run_id(output, run)
        try:
            folder = RunFolder.find(output, run)
            machines = opening.machines_of(folder, file)
        except UsageError as error:
            raise UsageError(
                error.sentence,
                f"{error.advice} For a run whose folder is damaged or gone, name the hosts, too:  "
                f"python orchestrate.py clean {run} --hosts NAMES".strip(),
            ) from error
        return machines, folder.path.name, folder.path.parent
    kinds = registry.settings()
    machines = resolve(hosts, file) if hosts else tuple(inventory.read(kinds, file).values())
    if not machines:
        raise UsageError("clean does not know where", "Name a run, or hosts with --hosts.")
    return machines, None, output


def _run_id(output: Path, run: str) -> tuple[str, Path]:
    """Of a run whose folder may be gone: its name, and where it should be."""
    from orchestrator.records.rundir import RunFolder

    try:
        path = RunFolder.find(output, run).path
    except UsageError:
        path = Path(run)
        return path.name, path.parent if path.parent.name else output
    return path.name, path.parent


def resolve(hosts: str, file: Path | None) -> tuple[Machine, ...]:
    from orchestrator.hosts.kinds import registry
    from orchestrator.inventory import inventory

    names = tuple(name.strip() for name in hosts.split(",") if name.strip())
    return inventory.resolve(names, registry.settings(), file)

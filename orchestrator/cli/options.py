"""The options of the command line: names, help, defaults. Enumerations are spelled out here rather
than imported from the contract where that loads pydantic, which would double the time of --help; a
test keeps the two in step."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from harness.contract import recipes

_WHAT: Final = "What to measure"
_HOW: Final = "How"
_OUTPUT: Final = "Output"
_WHERE: Final = "On other machines"
_CURIOUS: Final = "For tests and the curious"


class WeightsName(StrEnum):
    PRETRAINED = "pretrained"
    RANDOM = "random"


class ProgressStyle(StrEnum):
    AUTO = "auto"
    LIVE = "live"
    PLAIN = "plain"
    NONE = "none"


class Interruption(StrEnum):
    STOP = "stop"
    DETACH = "detach"


class BackendName(StrEnum):
    INDUCTOR = recipes.INDUCTOR
    AOT_EAGER = recipes.AOT_EAGER


class SizeName(StrEnum):
    FULL = "full"
    TINY = "tiny"


class CaseProcessesName(StrEnum):
    AUTO = "auto"
    FORK = "fork"
    SPAWN = "spawn"


Hosts: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Where to measure: names of hosts.toml, Docker contexts, SSH aliases, addresses. "
        "[bold]local[/bold] is this machine: its first GPU, or all that CUDA_VISIBLE_DEVICES "
        "names, else its CPU.",
        rich_help_panel=_WHAT,
    ),
]
Models: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Short names (see the command models), Hub ids or local folders. "
        r"\[default: the twelve published ones]",
        rich_help_panel=_WHAT,
    ),
]
Modes: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help=f"Compile modes, each compared with eager: {', '.join(recipes.MODES)}.",
        rich_help_panel=_WHAT,
    ),
]
BatchSizes: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS", help=r"Images per call. \[default: 1,4,16]", rich_help_panel=_WHAT
    ),
]
Precisions: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="float32 (PyTorch's own defaults), ieee, tf32, float16, bfloat16.",
        rich_help_panel=_WHAT,
    ),
]
Quick: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="Light models, batch 1, 30 inferences, random weights: a few minutes on a laptop. "
        "Options given beside it win.",
        rich_help_panel=_WHAT,
    ),
]
Iterations: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        help=r"Timed inferences per variant. \[default: 300]",
        rich_help_panel=_HOW,
    ),
]
Until: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        help="End a case early, once its speed-up's 95 % interval is narrower than this, as in 1%.",
        rich_help_panel=_HOW,
    ),
]
WarmCache: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--warm-cache",
        help="Measure the first compiled call of a second process with filled caches, too.",
        rich_help_panel=_HOW,
    ),
]
AllowPickle: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--allow-pickle",
        help="Load checkpoints that have no safetensors, too. Risky: a pickle can be made to run "
        "code of its author on the machine that loads it.",
        rich_help_panel=_HOW,
    ),
]
Weights: TypeAlias = Annotated[
    WeightsName | None,
    typer.Option(
        help="pretrained: from the Hub. random: the same architecture and arithmetic, no network. "
        r"\[default: pretrained]",
        show_default=False,
        rich_help_panel=_HOW,
    ),
]
Image: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="The one picture that every model sees. "
        r"\[default: COCO 000000039769, as published]",
        rich_help_panel=_HOW,
    ),
]
Resume: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Measure only what that run lacks, with its own plan.",
        rich_help_panel=_HOW,
    ),
]
DryRun: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Show the plan, the number of cases and the time it may take; measure nothing.",
        rich_help_panel=_HOW,
    ),
]
Inventory: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=r"Where names are looked up first. \[default: hosts.toml, if there is one]",
        rich_help_panel=_WHERE,
    ),
]
ImageSource: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="SOURCE",
        help="build: each host builds the image, unless it has it. ship: one builds, the others "
        "copy it. pull:REFERENCE@sha256:DIGEST: from a registry.",
        rich_help_panel=_WHERE,
    ),
]
BuildArg: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="BASE_IMAGE, TORCH_VERSION or TORCH_INDEX of the Dockerfile; may be repeated.",
        rich_help_panel=_WHERE,
    ),
]
OnInterrupt: TypeAlias = Annotated[
    Interruption,
    typer.Option(
        help="What Ctrl-C does: stop the harnesses, or detach and leave them measuring, for the "
        "command attach.",
        rich_help_panel=_WHERE,
    ),
]
Deadline: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="HOURS",
        min=0.001,
        max=24 * 365,
        help="When a harness ends by itself, whatever became of this terminal.",
        rich_help_panel=_WHERE,
    ),
]
Patience: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="MINUTES",
        min=0.05,
        max=60 * 24 * 30,
        help="How long a host may be out of reach before it counts as lost.",
        rich_help_panel=_WHERE,
    ),
]
Force: TypeAlias = Annotated[
    bool,
    typer.Option("--force", help="Also what still measures or holds records that nobody fetched."),
]
Images: TypeAlias = Annotated[
    bool, typer.Option("--images", help="Also the images that were built there.")
]
Volumes: TypeAlias = Annotated[
    bool, typer.Option("--volumes", help="Also the cache of downloaded weights.")
]
AnyRun: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run folder or its name; else every run of yours."),
]
AnyHosts: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help=r"Where. \[default: the run's, or all of the inventory]"),
]
Output: TypeAlias = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Where run folders go.", rich_help_panel=_OUTPUT),
]
NoRedact: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--no-redact",
        help="Leave addresses and home directories in what is written, for readers who know them. "
        "Tokens and passwords are taken out all the same.",
        rich_help_panel=_OUTPUT,
    ),
]
Progress: TypeAlias = Annotated[
    ProgressStyle,
    typer.Option(help="What to show meanwhile, on standard error.", rich_help_panel=_OUTPUT),
]
Json: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json", help="Print the summary as JSON on standard output.", rich_help_panel=_OUTPUT
    ),
]
CaseProcesses: TypeAlias = Annotated[
    CaseProcessesName,
    typer.Option(
        help="How the process of each case begins. fork saves seconds per case where torch loads "
        "the CUDA driver, and is tried there on this request alone; where the GPU does not answer "
        "in a forked process, new ones are started. spawn never forks.",
        rich_help_panel=_CURIOUS,
    ),
]
Backend: TypeAlias = Annotated[
    BackendName,
    typer.Option(
        help="aot_eager traces and checks, but generates no code.", rich_help_panel=_CURIOUS
    ),
]
Size: TypeAlias = Annotated[
    SizeName,
    typer.Option(
        help="tiny: each architecture shrunk to seconds; needs --weights random.",
        rich_help_panel=_CURIOUS,
    ),
]
Run: TypeAlias = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, its name, or: published")
]
OneRun: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", help="A run folder or its name")]

"""The options about runs that are on disk, as `options` has those about measuring."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

_OUTPUT: Final = "Output"


class FormatName(StrEnum):
    CSV = "csv"
    JSON = "json"
    MD = "md"
    SVG = "svg"
    PNG = "png"


Baseline: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="RUN",
        help="What the page holds this run against: a run folder or its name, "
        "[bold]published[/bold] (the table of 2023) or [bold]none[/bold].",
        rich_help_panel=_OUTPUT,
    ),
]
FailOnRegression: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="PERCENT",
        help="Exit with 4 if a compiled time is significantly higher than in the baseline run by "
        "more than this; differences below 2 % never are.",
        rich_help_panel=_OUTPUT,
    ),
]
RunA: TypeAlias = Annotated[
    str, typer.Argument(metavar="A", help="The earlier run: a run folder or its name.")
]
RunB: TypeAlias = Annotated[
    str, typer.Argument(metavar="B", help="The later run: a run folder or its name.")
]
Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where runs are looked for. What is written about a run from elsewhere goes there, "
        r"too, if this is given. \[default: reports; a run's own folder]",
        rich_help_panel=_OUTPUT,
    ),
]
PageTo: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="FILE",
        help=r"The page. \[default: compare-A-B.html in the folder of runs]",
        rich_help_panel=_OUTPUT,
    ),
]
Format: TypeAlias = Annotated[
    FormatName,
    typer.Option(
        "--format",
        help="csv, json: every number. md: the layout of the published page. svg, png: a file per "
        "chart; png needs the optional package vl-convert-python.",
        rich_help_panel=_OUTPUT,
    ),
]
To: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="A file for csv, json and md, a folder for svg and png. "
        r"\[default: standard output; the folder charts of the run, published-charts here]",
        rich_help_panel=_OUTPUT,
    ),
]

"""The charts of a page as stand-alone SVG files, and those as PNG.

Along x the page counts in percent of a plot's width; a file has a fixed one, so here percent become
pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Comparison
from orchestrator.errors import UsageError
from orchestrator.page import drawing
from orchestrator.page.charts import Bar, Chart
from orchestrator.page.pages import environment
from orchestrator.page.sections import ChartGroup, chart_groups
from orchestrator.records.files import ensure_folder, write_whole

# Twice the pixels: sharp on the screens of today.
PNG_SCALE: Final = 2
INSTALL_PNG: Final = 'python -m pip install -e ".[png]"'


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart as a file; `name` has no ending."""

    name: str
    svg: str


@dataclass(frozen=True, slots=True)
class _Key:
    """An entry of the legend: a colour and what it stands for."""

    colour: str
    text: str


def figures(comparison: Comparison) -> tuple[Figure, ...]:
    """Two charts per host, mode, precision and batch size: durations and time saved."""
    found: list[Figure] = []
    taken: set[str] = set()
    for group in chart_groups(comparison):
        for name, svg in _of_group(group, comparison):
            found.append(Figure(_unique(name, taken), svg))
    return tuple(found)


def to_png(svg: str) -> bytes:
    """Draw an SVG as PNG. Raises: UsageError: the optional library is not installed."""
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise UsageError(
            "PNG needs the optional package vl-convert-python, which is not installed",
            f"Install it:  {INSTALL_PNG}   or take --format svg",
        ) from error
    return bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))


def save(found: Iterable[Figure], folder: Path, *, png: bool) -> tuple[Path, ...]:
    """Write figures into a folder, which a user names by --to. Raises: UsageError; RunError."""
    drawn = [(figure.name, to_png(figure.svg) if png else figure.svg) for figure in found]
    place, ending = ensure_folder(folder, "--to"), "png" if png else "svg"
    return tuple(
        write_whole(place / f"{name}.{ending}", content, follow=False) for name, content in drawn
    )


def _of_group(group: ChartGroup, comparison: Comparison) -> Iterator[tuple[str, str]]:
    source = drawing.source(comparison)
    for panel in group.panels:
        setting = f"mode {group.mode}, {group.precision}, batch {panel.batch_size}"
        where = f"{wording.one_line(group.name)}, {setting}"
        stem = _slug(f"{group.name}-{group.mode}-{group.precision}-b{panel.batch_size}")
        for kind, chart in (("duration", panel.durations), ("time-saved", panel.savings)):
            yield f"{stem}-{kind}", _render(chart, drawing.TITLES[kind], where, source)


def _render(chart: Chart, title: str, where: str, source: str) -> str:
    return (
        environment()
        .get_template("_figure.svg.j2")
        .render(
            chart=chart,
            title=title,
            where=where,
            source=source,
            keys=_keys(chart),
            font=drawing.FONT,
            colour=drawing.palette(),
            fill=_fill,
            width=drawing.WIDTH_PX,
            left=drawing.LEFT_PX,
            top=drawing.TOP_PX,
            height=drawing.TOP_PX + chart.height + drawing.BOTTOM_PX,
            px=_px,
            span=_span,
        )
    )


def _px(percent: float) -> float:
    """Where a percentage of the plot stands in the file, in pixels."""
    return round(drawing.LEFT_PX + _span(percent), 2)


def _span(percent: float) -> float:
    plot_px = drawing.WIDTH_PX - drawing.LEFT_PX - drawing.RIGHT_PX
    return round(plot_px * percent / 100, 2)


def _fill(bar: Bar) -> str:
    return drawing.palette()[drawing.TONES[bar.tone]]


def _keys(chart: Chart) -> tuple[_Key, ...]:
    """What the colours of a chart stand for, in the order of appearance."""
    meanings: dict[str, list[str]] = {}
    tones = dict.fromkeys(bar.tone for line in chart.lines for bar in line.bars)
    for tone in tones:
        meanings.setdefault(drawing.palette()[drawing.TONES[tone]], []).append(
            tone.replace(" negative", ", slower")
        )
    keys = [_Key(colour, " or ".join(words)) for colour, words in meanings.items()]
    marked = any(bar.marker is not None for line in chart.lines for bar in line.bars)
    return (*keys, *([_Key("", drawing.MARKER)] if marked else []))


def _slug(text: str) -> str:
    """A file name for any system: letters, digits, dot and hyphen."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:120].lower() or "chart"


def _unique(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where another host has it already."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}-{number}", number + 1
    taken.add(candidate)
    return candidate

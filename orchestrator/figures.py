"""The charts of a page as stand-alone SVG files, and those as PNG.

The same geometry as on the page, in literal colours of its light theme and with fonts named in
attributes: an image viewer, a slide or a README knows no style sheet of ours. Along x the page
counts in percent of a plot's width; a file has a fixed one, so here percent become pixels.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator import wording
from orchestrator.charts import Bar, Chart
from orchestrator.comparison import Comparison
from orchestrator.errors import UsageError
from orchestrator.files import ensure_folder, write_whole
from orchestrator.pages import TEMPLATES, environment
from orchestrator.sections import ChartGroup, chart_groups

WIDTH_PX: Final = 760
_LEFT_PX: Final = 150
_RIGHT_PX: Final = 84
_TOP_PX: Final = 76
_BOTTOM_PX: Final = 46
# Twice the pixels: sharp on the screens of today.
PNG_SCALE: Final = 2
_LIGHT: Final = re.compile(r"--(\w+): light-dark\((#[0-9a-f]{6}),")
_TONES: Final = {
    "eager": "eager", "compiled": "good", "faster": "good", "slower": "bad", "same": "flat",
    "unclear": "flat", "published": "seen", "published negative": "bad",
}  # fmt: skip
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
    """Write figures into a folder. Raises: UsageError; RunError."""
    drawn = [(figure.name, to_png(figure.svg) if png else figure.svg) for figure in found]
    place, ending = ensure_folder(folder), "png" if png else "svg"
    return tuple(write_whole(place / f"{name}.{ending}", content) for name, content in drawn)


def _of_group(group: ChartGroup, comparison: Comparison) -> Iterator[tuple[str, str]]:
    source = _source(comparison)
    for panel in group.panels:
        setting = f"mode {group.mode}, {group.precision}, batch {panel.batch_size}"
        where = f"{wording.one_line(group.name)}, {setting}"
        stem = _slug(f"{group.name}-{group.mode}-{group.precision}-b{panel.batch_size}")
        yield (
            f"{stem}-duration",
            _render(panel.durations, "Duration per call in ms, shorter is better", where, source),
        )
        yield (
            f"{stem}-time-saved",
            _render(panel.savings, "Time saved by torch.compile in percent", where, source),
        )


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
            colour=palette(),
            fill=_fill,
            width=WIDTH_PX,
            left=_LEFT_PX,
            top=_TOP_PX,
            height=_TOP_PX + chart.height + _BOTTOM_PX,
            px=_px,
            span=_span,
        )
    )


def _px(percent: float) -> float:
    """Where a percentage of the plot stands in the file, in pixels."""
    return round(_LEFT_PX + _span(percent), 2)


def _span(percent: float) -> float:
    return round((WIDTH_PX - _LEFT_PX - _RIGHT_PX) * percent / 100, 2)


def _fill(bar: Bar) -> str:
    return palette()[_TONES[bar.tone]]


def _keys(chart: Chart) -> tuple[_Key, ...]:
    """What the colours of a chart stand for, in the order of appearance."""
    meanings: dict[str, list[str]] = {}
    tones = dict.fromkeys(bar.tone for line in chart.lines for bar in line.bars)
    for tone in tones:
        meanings.setdefault(palette()[_TONES[tone]], []).append(
            tone.replace(" negative", ", slower")
        )
    keys = [_Key(colour, " or ".join(words)) for colour, words in meanings.items()]
    marked = any(bar.marker is not None for line in chart.lines for bar in line.bars)
    return (*keys, *([_Key("", "published in 2023, mean without spread")] if marked else []))


@functools.cache
def palette() -> dict[str, str]:
    """The page's colours by name, as its style sheet gives them for the light theme."""
    return dict(_LIGHT.findall((TEMPLATES / "report.css").read_text(encoding="utf-8")))


def _source(comparison: Comparison) -> str:
    if comparison.is_published:
        return "Hugging Face, perf_torch_compile, 2023: means without spread"
    known = [host.environment.torch for host in comparison.hosts if host.environment is not None]
    torch = wording.listed(list(dict.fromkeys(known))) or "?"
    return f"torch {torch} · run {comparison.run.run_id} · lines are 95 % intervals"


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

"""Tables -> the geometry of bar charts, for the SVG templates (pure).

Along x everything is in percent of the plot's width, so that a chart follows the width of its page
while its text keeps its size; along y it is in pixels. Bars are horizontal and start at zero.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Row, Verdict
from orchestrator.page.axes import Scale, Tick, tick_values, ticks_of
from orchestrator.statistics.statistics import Estimate

LINE_PX: Final = 34
TOP_PX: Final = 4
AXIS_PX: Final = 20
LABEL_COLUMNS: Final = 17
# Where a bar begins below the top of its line, and its height.
EAGER_PX: Final = (4, 11)
COMPILED_PX: Final = (17, 11)
SINGLE_PX: Final = (9, 14)
# A published marker within this many percent of a bar's end would lie under the bar's number.
_NUMBER_PERCENT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, its interval, and the published figure; `x`, `width`, `low`, `high`, `marker` and
    `text_x` in percent, `y` and `height` in pixels. Without interval, `low` and `high` are None."""

    tone: str
    x: float
    width: float
    y: int
    height: int
    low: float | None
    high: float | None
    marker: float | None
    text: str
    text_x: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One case in a chart. `index` is its place in the comparison; `remark` says why no bars."""

    index: int
    y: int
    label: str
    full_label: str
    bars: tuple[Bar, ...]
    verdict: Verdict
    remark: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole plot; `height` in pixels without the axis below it, `zero` in percent."""

    height: int
    zero: float
    ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the bar that shows all verdicts at once, in percent."""

    verdict: Verdict
    count: int
    x: float
    width: float


def fit(text: str, columns: int = LABEL_COLUMNS) -> str:
    """Shorten a label to that many columns; wide East Asian characters take two."""
    text = wording.one_line(text)
    if sum(map(_columns, text)) <= columns:
        return text
    kept, used = "", 1  # one for the ellipsis
    for character in text:
        used += _columns(character)
        if used > columns:
            break
        kept += character
    return f"{kept.rstrip()}…"


def durations(cases: Sequence[tuple[int, Row]]) -> Chart:
    """Two bars a case, eager above compiled: mean milliseconds per call.

    Args:
        cases: rows with their place in the comparison, in the order to draw.
    """
    values = [0.0]
    for _, row in cases:
        for summary in (row.eager, row.compiled):
            values += [] if summary is None else _ends(summary.mean)
        values += row.published_means or ()
    ticks = tick_values(0.0, max(values) * 1000)
    scale = Scale(ticks[0] / 1000, ticks[-1] / 1000)
    lines = [_line(y, index, row, _pair(y, row, scale)) for y, index, row in _placed(cases)]
    return _chart(ticks, lines, "")


def savings(cases: Sequence[tuple[int, Row]]) -> Chart:
    """One bar a case: percent of eager time saved; negative where compiling is slower.

    Args:
        cases: as for `durations`.
    """
    values = [0.0]
    for _, row in cases:
        published = row.published_saving
        values += [] if row.time_saved is None else _ends(row.time_saved)
        values += [] if row.time_saved is None or published is None else [published]
    ticks = tick_values(min(values) * 100, max(values) * 100)
    scale = Scale(ticks[0] / 100, ticks[-1] / 100)
    lines = [_line(y, index, row, _single(y, row, scale)) for y, index, row in _placed(cases)]
    return _chart(ticks, lines, " %")


def segments(counts: Mapping[Verdict, int]) -> tuple[Segment, ...]:
    """One bar of all verdicts, in a fixed order; empty where there is nothing to count."""
    order: tuple[Verdict, ...] = (
        "faster", "same", "unclear", "slower", "failed", "missing", "published",
    )  # fmt: skip
    total = sum(counts.values())
    found: list[Segment] = []
    x = 0.0
    for verdict in order:
        if counts.get(verdict):
            width = counts[verdict] / total * 100
            found.append(Segment(verdict, counts[verdict], round(x, 2), round(width, 2)))
            x += width
    return tuple(found)


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _ends(estimate: Estimate) -> list[float]:
    return [v for v in (estimate.value, estimate.low, estimate.high) if v is not None]


def _placed(cases: Sequence[tuple[int, Row]]) -> Iterator[tuple[int, int, Row]]:
    for place, (index, row) in enumerate(cases):
        yield TOP_PX + place * LINE_PX, index, row


def _chart(values: Sequence[float], lines: Sequence[Line], unit: str) -> Chart:
    height = TOP_PX + LINE_PX * len(lines)
    if not any(line.bars for line in lines):  # nothing to read off an axis
        return Chart(height, 0.0, (), tuple(lines))
    zero = Scale(values[0], values[-1]).percent(0)
    return Chart(height, zero, ticks_of(values, unit), tuple(lines))


def _line(y: int, index: int, row: Row, bars: tuple[Bar, ...]) -> Line:
    label = wording.one_line(row.label)
    remark = ""
    if row.problem is not None:
        remark = f"{wording.SYMBOLS[row.verdict]} {wording.reason(row.problem.reason)}"
    return Line(index, y, fit(label), label, bars, row.verdict, remark)


def _pair(y: int, row: Row, scale: Scale) -> tuple[Bar, ...]:
    if row.eager is None or row.compiled is None:
        return ()
    eager_s, compiled_s = row.published_means or (None, None)
    above, below = _band(y, EAGER_PX), _band(y, COMPILED_PX)
    return (
        _duration(row, "eager", row.eager.mean, eager_s, above, scale),
        _duration(row, "compiled", row.compiled.mean, compiled_s, below, scale),
    )


def _duration(
    row: Row,
    variant: str,
    mean: Estimate,
    published_s: float | None,
    band: tuple[int, int],
    scale: Scale,
) -> Bar:
    title = _title(row, variant, mean, wording.milliseconds)
    title += "" if published_s is None else f"; published {wording.milliseconds(published_s)}"
    text = wording.significant(mean.value * 1000)
    return _bar(variant, mean, published_s, band, scale, text, title)


def _single(y: int, row: Row, scale: Scale) -> tuple[Bar, ...]:
    saved = row.time_saved
    if saved is None:
        return ()
    published = row.published_saving
    title = _title(row, "time saved", saved, wording.percent)
    title += "" if published is None else f"; published {wording.percent(published)}"
    tone = row.verdict if saved.value >= 0 or row.verdict != "published" else "published negative"
    symbol = "" if row.mean_only else f"{wording.SYMBOLS[row.verdict]} "
    text = f"{symbol}{wording.percent(saved.value)}"
    return (_bar(tone, saved, published, _band(y, SINGLE_PX), scale, text, title),)


def _band(y: int, bar: tuple[int, int]) -> tuple[int, int]:
    below, height = bar
    return y + below, height


def _title(row: Row, what: str, estimate: Estimate, write: Callable[[float], str]) -> str:
    interval = wording.interval(estimate, write)
    spread = interval or ("mean only" if row.mean_only else "too few blocks for an interval")
    return f"{wording.one_line(row.label)}, {what}: {write(estimate.value)} ({spread})"


def _bar(
    tone: str,
    estimate: Estimate,
    marker: float | None,
    band: tuple[int, int],
    scale: Scale,
    text: str,
    title: str,
) -> Bar:
    start, end = sorted((scale.percent(0), scale.percent(estimate.value)))
    low, high, mark = (  # to a third of a pixel
        None if value is None else round(scale.percent(value), 1)
        for value in (estimate.low, estimate.high, marker)
    )
    # The number stands right of everything: of zero for a negative bar, of a whisker, of a marker.
    text_x = max(end, high or 0.0)
    if mark is not None and text_x <= mark <= text_x + _NUMBER_PERCENT:
        text_x = mark
    y, height = band
    width = round(end - start, 2)
    return Bar(tone, start, width, y, height, low, high, mark, text, text_x, title)

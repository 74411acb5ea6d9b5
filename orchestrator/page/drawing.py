"""How a chart is drawn as a stand-alone SVG: its size, its colours, its words (pure).

The command line draws by it through a template, a page's script draws the same file from the chart
on the page; both take all terms from here. Colours are those of the light theme, literally, and
fonts stand in attributes: an image viewer, a slide or a README knows no style sheet of ours.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from orchestrator import wording
from orchestrator.compare.comparison import Comparison
from orchestrator.compare.rehearsal import LABEL
from orchestrator.page import charts
from orchestrator.page.pages import TEMPLATES

WIDTH_PX: Final = 760
LEFT_PX: Final = 150
RIGHT_PX: Final = 84
TOP_PX: Final = 76
BOTTOM_PX: Final = 46
TITLES: Final = {
    "duration": "Duration per call in ms, shorter is better",
    "time-saved": "Time saved by torch.compile in percent",
}
FONT: Final = "DejaVu Sans, Liberation Sans, Arial, Helvetica, sans-serif"
MARKER: Final = "published in 2023, mean without spread"
TONES: Final = {
    "eager": "eager", "compiled": "good", "faster": "good", "slower": "bad", "same": "flat",
    "unclear": "flat", "published": "seen", "published negative": "bad",
}  # fmt: skip
_LIGHT: Final = re.compile(r"--(\w+): light-dark\((#[0-9a-f]{6}),")
_DRAWN: Final = ("paper", "ink", "quiet", "grid", "good", "bad", "fail", "seen", "eager", "flat")


@functools.cache
def palette() -> dict[str, str]:
    """The colours of charts by name, as the style sheet gives them for the light theme."""
    found = dict(_LIGHT.findall((TEMPLATES / "report.css").read_text(encoding="utf-8")))
    return {name: found[name] for name in _DRAWN}


def source(comparison: Comparison) -> str:
    """Where the numbers of a chart come from: the line below it."""
    if comparison.is_published:
        return "Hugging Face, perf_torch_compile, 2023: means without spread"
    known = [host.environment.torch for host in comparison.hosts if host.environment is not None]
    torch = wording.listed(list(dict.fromkeys(known))) or "?"
    label = f"{LABEL} · " if comparison.rehearsal else ""  # first: a long line is cut at its end
    return f"{label}torch {torch} · run {comparison.run.name} · lines are 95 % intervals"


def terms(comparison: Comparison) -> dict[str, object]:
    """All of it for the script of a page."""
    return {
        "width": WIDTH_PX,
        "left": LEFT_PX,
        "right": RIGHT_PX,
        "top": TOP_PX,
        "bottom": BOTTOM_PX,
        "bands": {
            "eager": charts.EAGER_PX,
            "compiled": charts.COMPILED_PX,
            "single": charts.SINGLE_PX,
        },
        "font": FONT,
        "titles": TITLES,
        "marker": MARKER,
        "tones": TONES,
        "colours": palette(),
        "source": wording.redacted(source(comparison)),
    }

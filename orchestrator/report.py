"""A comparison -> one self-contained HTML page.

Everything that a host sent is hostile. It reaches the page only through autoescaped templates or
in one inert block, after `wording.redacted` has removed control characters, bidirectional
overrides, tokens, addresses and home directories. The page's Content Security Policy allows its own
style and script by their hashes and nothing else, and the same comparison gives the same bytes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from harness.vocabulary import SCHEMA_VERSION
from orchestrator import caveats, choices, heatmap, page_data, sections, tables, wording
from orchestrator.answer import answer, host_name
from orchestrator.charts import published_means
from orchestrator.comparison import Comparison
from orchestrator.statistics import PRACTICAL_THRESHOLD

TEMPLATES: Final = Path(__file__).resolve().parent.parent / "templates"
STYLES: Final = ("report.css", "_media.css")
# In this order: each file uses what stands in those before it, and the last one starts the page.
SCRIPTS: Final = ("report.js", "_table.js", "_charts.js", "_case.js", "_start.js")
# Beyond this many cases the tool tips of bars and cells would be a quarter of the page.
MAX_TITLED_CASES: Final = 200


def render(comparison: Comparison) -> str:
    """The page, complete: no request leaves it, and it can be read without JavaScript.

    Raises: jinja2.TemplateNotFound: the folder `templates` is not beside this package.
    """
    style, script = _joined(STYLES), _joined(SCRIPTS)
    page = _environment().get_template("report.html.j2")
    return page.render(
        csp=_content_security_policy(style, script),
        style=style,
        script=script,
        **_facts(comparison),
        **_sections(comparison),
    )


def _facts(comparison: Comparison) -> dict[str, object]:
    """What several sections of the page use."""
    cases = len(comparison.rows)
    return {
        "comparison": comparison,
        "run": comparison.run,
        "plan": comparison.run.plan,
        "published": comparison.is_published,
        "has_published": any(published_means(row) is not None for row in comparison.rows),
        "has_prices": any(host.price_per_hour is not None for host in comparison.hosts),
        "large": page_data.is_large(comparison),
        "titles": cases <= MAX_TITLED_CASES,
        "page_lines": page_data.PAGE_LINES,
        "schema_version": SCHEMA_VERSION,
        "threshold": f"{PRACTICAL_THRESHOLD:.0%}".replace("%", "\N{NO-BREAK SPACE}%"),
        "host_names": [host_name(host, comparison.hosts) for host in comparison.hosts],
        "torch_versions": _torch_versions(comparison),
        "row_places": _row_places(comparison),
    }


def _sections(comparison: Comparison) -> dict[str, object]:
    """What each section of the page shows, from top to bottom."""
    troubles = sections.troubles(comparison)
    groups = sections.chart_groups(comparison)
    results = tables.results(comparison)
    return {
        "answer": answer(comparison),
        "caveats": caveats.between_hosts(comparison.hosts),
        "cards": sections.cards(comparison),
        "switches": choices.switches(comparison.rows),
        "filters": choices.filters(comparison),
        "heat_maps": heatmap.heat_maps(comparison),
        "chart_groups": groups,
        "results": results,
        "failed": [trouble for trouble in troubles if trouble.verdict == "failed"],
        "missing": [trouble for trouble in troubles if trouble.verdict == "missing"],
        "environment": tables.environment_lines(comparison.hosts),
        "remarks": [
            (host_name(host, comparison.hosts), host.remarks)
            for host in comparison.hosts
            if host.remarks
        ],
        # Base 64 of what is redacted already: chance can make it look like a token.
        "data": Markup(page_data.block(comparison, results, groups)),  # noqa: S704
    }


def _row_places(comparison: Comparison) -> list[list[tuple[str, int]]]:
    """Per row its places on those switches that there are: [("m", 0), ("p", 2)]."""
    keys = [key[0] for _, key, _ in choices.switches(comparison.rows)]
    found = []
    for row in comparison.rows:
        mode, precision = sections.places((row.case.mode, row.case.precision))
        found.append([pair for pair in (("m", mode), ("p", precision)) if pair[0] in keys])
    return found


def _torch_versions(comparison: Comparison) -> list[str]:
    known = (host.environment.torch for host in comparison.hosts if host.environment is not None)
    return list(dict.fromkeys(known))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,  # always: select_autoescape would pass over names that end in .j2
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": wording.count,
        "many": wording.many,
        "listed": wording.listed,
        "symbol": wording.SYMBOLS.__getitem__,
        "reason": wording.reason,
        "meaning": wording.meaning,
    }
    return environment


def _finalize(value: object) -> object:
    """Clean every string that a template writes, except what a template itself has made."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.redacted(value)
    return value


@functools.cache
def _joined(names: Sequence[str]) -> Markup:
    """Several of our own files as one; those of the script share one module scope."""
    return Markup("").join(map(_source, names))


@functools.cache
def _source(name: str) -> Markup:
    """One of our own files, to be written into the page as it is."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - no foreign text


def _content_security_policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

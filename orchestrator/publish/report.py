"""A comparison -> one self-contained HTML page.

Everything that a host sent is hostile. It reaches the page only through the templates of `pages`
or in one inert block, redacted, and the same comparison gives the same bytes.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from harness.contract.vocabulary import SCHEMA_VERSION
from orchestrator.compare import collecting, facts
from orchestrator.compare.comparison import Comparison
from orchestrator.compare.noise import WIDEST_BAND
from orchestrator.page import (
    caveats,
    choices,
    conditions,
    environment_table,
    heatmap,
    page_data,
    sections,
    tables,
)
from orchestrator.page.answer import answer
from orchestrator.page.naming import host_name
from orchestrator.page.pages import STYLES, content_security_policy, environment, source
from orchestrator.publish.baseline import Baseline
from orchestrator.statistics.statistics import PRACTICAL_THRESHOLD

# In this order: each file uses what stands in those before it, and the last one starts the page.
SCRIPTS: Final = (
    "report.js", "_downloads.js", "_table.js", "_charts.js", "_case.js", "_start.js",
)  # fmt: skip
# Beyond this many cases the tool tips of bars and cells would be a quarter of the page.
MAX_TITLED_CASES: Final = 200
# Caveats of a card that are there at once; others open on demand.
OPEN_CAVEATS: Final = 4


@collecting.paused()
def render(comparison: Comparison, baseline: Baseline | None = None) -> str:
    """The page, complete: no request leaves it, and it can be read without JavaScript.

    Raises: jinja2.TemplateNotFound: the folder `templates` is not beside this package.
    """
    switches = choices.switches(comparison.rows)
    style = source(*STYLES) + Markup(choices.rules(switches))  # noqa: S704 - no foreign text
    script = source(*SCRIPTS)
    page = environment().get_template("report.html.j2")
    return page.render(
        csp=content_security_policy(style, script),
        style=style,
        script=script,
        baseline=baseline,
        switches=switches,
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
        "has_published": any(row.published_means is not None for row in comparison.rows),
        "has_prices": any(host.price_per_hour is not None for host in comparison.hosts),
        "large": page_data.is_large(comparison),
        "titles": cases <= MAX_TITLED_CASES,
        "page_lines": page_data.PAGE_LINES,
        "open_caveats": OPEN_CAVEATS,
        "schema_version": SCHEMA_VERSION,
        "threshold": conditions.thresholds(comparison),
        "practical": conditions.threshold(PRACTICAL_THRESHOLD),
        "widest": conditions.threshold(WIDEST_BAND),
        "bounds": facts,
        "has_noise_floor": any(host.noise is not None for host in comparison.hosts),
        "pools": [
            (host, conditions.worker(host), conditions.agreement(host))
            for host in comparison.hosts
            if host.workers > 1 or host.spread is not None
        ],
        "clocks": {row.measurement.clock for row in comparison.rows if row.measurement},
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
        "filters": choices.filters(comparison),
        "heat_maps": heatmap.heat_maps(comparison),
        "chart_groups": groups,
        "results": results,
        "failed": [trouble for trouble in troubles if trouble.verdict == "failed"],
        "missing": [trouble for trouble in troubles if trouble.verdict == "missing"],
        "environment": environment_table.environment_lines(comparison.hosts),
        "remarks": [
            (host_name(host, comparison.hosts), host.remarks)
            for host in comparison.hosts
            if host.remarks
        ],
        # Packed is what was redacted already: chance can make it look like a token.
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

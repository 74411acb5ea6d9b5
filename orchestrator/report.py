"""A comparison -> one self-contained HTML page.

Everything that a host sent is hostile. It reaches the page only through the templates of `pages`
or as inert JSON, and the same comparison gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.vocabulary import SCHEMA_VERSION
from orchestrator import exports, heatmap, sections, tables, wording
from orchestrator.answer import answer, describe, host_name
from orchestrator.baseline import Baseline
from orchestrator.comparison import Comparison, Row
from orchestrator.pages import content_security_policy, environment, source
from orchestrator.statistics import PRACTICAL_THRESHOLD


def render(comparison: Comparison, baseline: Baseline | None = None) -> str:
    """The page, complete: no request leaves it, and it can be read without JavaScript.

    Raises: jinja2.TemplateNotFound: the folder `templates` is not beside this package.
    """
    style, script = source("report.css", "changes.css"), source("report.js")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            csp=content_security_policy(style, script),
            style=style,
            script=script,
            comparison=comparison,
            run=comparison.run,
            plan=comparison.run.plan,
            schema_version=SCHEMA_VERSION,
            threshold=f"{PRACTICAL_THRESHOLD:.0%}".replace("%", "\N{NO-BREAK SPACE}%"),
            answer=answer(comparison),
            cards=sections.cards(comparison),
            filters=_filters(comparison),
            heat_maps=heatmap.heat_maps(comparison),
            chart_groups=sections.chart_groups(comparison),
            case_columns=tables.CASE_COLUMNS,
            value_columns=tables.VALUE_COLUMNS,
            results=tables.result_lines(comparison),
            troubles=sections.troubles(comparison),
            environment=tables.environment_lines(comparison.hosts),
            host_names=[host_name(host, comparison.hosts) for host in comparison.hosts],
            remarks=[
                (host_name(host, comparison.hosts), host.remarks)
                for host in comparison.hosts
                if host.remarks
            ],
            torch_versions=_torch_versions(comparison),
            data=_data(comparison),
            baseline=baseline,
        )
    )


def _data(comparison: Comparison) -> dict[str, object]:
    """What the script reads: the JSON export with its rows as lists, and a sentence per row."""
    return {
        "header": exports.header(comparison),
        "columns": list(exports.COLUMNS),
        "rows": [exports.values_of(row) for row in comparison.rows],
        "sentences": [wording.redacted(describe(row)) for row in comparison.rows],
    }


def _filters(comparison: Comparison) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Title, exported column and options (value and words) of each filter with a choice."""
    names = {host.host: host_name(host, comparison.hosts) for host in comparison.hosts}
    rows = comparison.rows
    found = [
        ("GPU", "host", _options((row.host, names.get(row.host, row.host)) for row in rows)),
        ("Model", "model", _options((row.case.model, row.label) for row in rows)),
        ("Batch", "batch_size", _options(_twice(str(size)) for size in _batch_sizes(rows))),
        ("Mode", "mode", _options(_twice(row.case.mode) for row in rows)),
        ("Precision", "precision", _options(_twice(row.case.precision) for row in rows)),
        ("Verdict", "verdict", _options(_twice(row.verdict) for row in rows)),
    ]
    return [each for each in found if len(each[2]) > 1]


def _options(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict(pairs).items())


def _twice(value: str) -> tuple[str, str]:
    return value, value


def _batch_sizes(rows: Iterable[Row]) -> list[int]:
    return sorted({row.case.batch_size for row in rows})


def _torch_versions(comparison: Comparison) -> list[str]:
    known = (host.environment.torch for host in comparison.hosts if host.environment is not None)
    return list(dict.fromkeys(known))

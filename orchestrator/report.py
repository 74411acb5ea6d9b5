"""A comparison -> one self-contained HTML page.

Everything that a host sent is hostile. It reaches the page only through autoescaped templates or
as inert JSON, after `wording.redacted` has removed control characters, bidirectional overrides,
tokens and home directories. The page's Content Security Policy allows its own style and script by
their hashes and nothing else, and the same comparison gives the same bytes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from harness.vocabulary import SCHEMA_VERSION
from orchestrator import conditions, exports, facts, heatmap, sections, tables, wording
from orchestrator.answer import answer, describe, host_name
from orchestrator.comparison import Comparison, Row
from orchestrator.noise import WIDEST_BAND
from orchestrator.statistics import PRACTICAL_THRESHOLD

TEMPLATES: Final = Path(__file__).resolve().parent.parent / "templates"


def render(comparison: Comparison) -> str:
    """The page, complete: no request leaves it, and it can be read without JavaScript.

    Raises: jinja2.TemplateNotFound: the folder `templates` is not beside this package.
    """
    style, script = _source("report.css"), _source("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            csp=_content_security_policy(style, script),
            style=style,
            script=script,
            comparison=comparison,
            run=comparison.run,
            plan=comparison.run.plan,
            schema_version=SCHEMA_VERSION,
            threshold=conditions.thresholds(comparison),
            practical=conditions.threshold(PRACTICAL_THRESHOLD),
            widest=conditions.threshold(WIDEST_BAND),
            bounds=facts,
            has_noise_floor=any(host.noise is not None for host in comparison.hosts),
            clocks={row.measurement.clock for row in comparison.rows if row.measurement},
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
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
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

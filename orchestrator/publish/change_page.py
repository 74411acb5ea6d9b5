"""Two measured runs -> one self-contained HTML page, and the same as JSON (pure).

The page has no script at all, and the same care for what hosts sent as the page of a run.
"""

from __future__ import annotations

import json
from typing import Final

from orchestrator import wording
from orchestrator.changes import change_tables, change_words
from orchestrator.changes.change_tables import Surroundings
from orchestrator.changes.changes import Changes, Judged, Match
from orchestrator.compare.comparison import Row
from orchestrator.page.environment_table import EnvironmentLine
from orchestrator.page.pages import STYLES, content_security_policy, environment, source
from orchestrator.statistics.statistics import PRACTICAL_THRESHOLD

# History of the JSON of a comparison.
#   1  first version
VERSION: Final = 1


def render(changes: Changes) -> str:
    """The page, complete: no request leaves it. Raises: jinja2.TemplateNotFound."""
    style = source(*STYLES)
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            csp=content_security_policy(style),
            style=style,
            view=change_tables.view(changes),
            processors=change_words.processors(changes),
            threshold=f"{PRACTICAL_THRESHOLD:.0%}".replace("%", "\N{NO-BREAK SPACE}%"),
        )
    )


def to_json(changes: Changes) -> dict[str, object]:
    """For programs: every matched case, what has no counterpart, what differs around them.

    A ratio is later ÷ earlier; `adjusted_p` is null where a run has too few blocks, a value of a
    fact where a run did not record it.
    """
    found, around = change_words.said(changes), change_tables.surroundings(changes)
    return {
        "format": "torch-compile-vision-benchmark comparison",
        "version": VERSION,
        "before": wording.plain(changes.before.run.name),
        "after": wording.plain(changes.after.run.name),
        "headline": found.headline,
        "sentence": found.sentence,
        "rehearsals": {
            "before": changes.before.rehearsal or None,
            "after": changes.after.rehearsal or None,
        },
        "compiled_counts": {
            word: changes.compiled_counts.get(direction, 0)
            for direction, word in change_words.TIME.items()
        },
        "environment_differences": [
            _fact(pair, line) for pair in around for line in pair.differing
        ],
        "environment_not_recorded": [
            _fact(pair, line) for pair in around for line in pair.apart if not all(line.recorded)
        ],
        "cases": [_case(match) for match in changes.matches],
        "only_before": [_names(row) for row in changes.only_before],
        "only_after": [_names(row) for row in changes.only_after],
    }


def _fact(pair: Surroundings, line: EnvironmentLine) -> dict[str, object]:
    values = zip(line.values, line.recorded, strict=True)
    told = [wording.redacted(value) if recorded else None for value, recorded in values]
    return {"hosts": pair.name, "fact": line.name, "values": told}


def dumps(content: dict[str, object]) -> str:
    """As text, strict: no NaN, no escapes where none are needed."""
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)


def _case(match: Match) -> dict[str, object]:
    return _names(match.after) | {
        "before": change_words.outcome(match.before),
        "after": change_words.outcome(match.after),
        "compiled_time": _judged(match.compiled, time=True),
        "eager_time": _judged(match.eager, time=True),
        "speed_up": _judged(match.speed_up, time=False),
    }


def _names(row: Row) -> dict[str, object]:
    return {
        "gpu": wording.redacted(row.gpu) or None,
        "model": wording.redacted(row.case.model),
        "mode": row.case.mode,
        "precision": row.case.precision,
        "batch_size": row.case.batch_size,
    }


def _judged(judged: Judged | None, *, time: bool) -> dict[str, object] | None:
    if judged is None:
        return None
    return {
        "ratio": judged.ratio.value,
        "ratio_low": judged.ratio.low,
        "ratio_high": judged.ratio.high,
        "adjusted_p": judged.adjusted_p,
        "verdict": change_words.TIME[judged.direction] if time else judged.direction,
    }

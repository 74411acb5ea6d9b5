"""How every page is made: templates in, self-contained HTML or SVG out.

Everything that a host sent is hostile. It reaches a page only through autoescaped templates, after
`wording.redacted` has removed control characters, bidirectional overrides, tokens and home
directories. A page's Content Security Policy allows its own style and script by their hashes and
nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from orchestrator import wording

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "templates"
# Paper and forced colours come last, to win over both.
STYLES: Final = ("report.css", "changes.css", "_media.css")


@functools.cache
def environment() -> jinja2.Environment:
    """Where every page is made: whatever is written is cleaned and escaped."""
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
def source(*names: str) -> Markup:
    """Some of our own files, one after the other, to be written into a page as they are."""
    texts = [(TEMPLATES / name).read_text(encoding="utf-8") for name in names]
    return Markup("".join(texts))  # noqa: S704 - no foreign text


def content_security_policy(style: str, script: str | None = None) -> str:
    """Allow a page its own style and script, by their hashes, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}" if script else "script-src 'none'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

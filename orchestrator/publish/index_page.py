"""The runs of a folder -> one page that lists them, newest first, with trends.

It has no script, and its links are relative: the folder can be published as it is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from orchestrator import wording
from orchestrator.compare.rehearsal import LABEL
from orchestrator.errors import RunError
from orchestrator.page import charts
from orchestrator.page.charts import Segment
from orchestrator.page.pages import STYLES, content_security_policy, environment, source
from orchestrator.publish import results, trends
from orchestrator.publish.results import LeftOut, RunOnDisk
from orchestrator.records import files
from orchestrator.records.files import ensure_folder, write_whole

PAGE: Final = "index.html"
_MANY: Final = 5
_LONGEST: Final = 240  # characters of a headline
# By this the page knows itself: a folder's index.html that somebody else made is not overwritten.
_MOST_BYTES: Final = 64 << 20
_MARK: Final = '<meta name="generator" content="torch-compile-vision-benchmark index">'


@dataclass(frozen=True, slots=True)
class Entry:
    """One run as it is listed; `link` is empty where it has no page. `details` shorten long names,
    `in_full` does not."""

    name: str
    link: str
    when: str
    details: str
    in_full: str
    headline: str
    counts: tuple[tuple[str, int], ...]
    segments: tuple[Segment, ...]
    caveat: str


@dataclass(frozen=True, slots=True)
class Index:
    """What was written."""

    page: Path
    runs: tuple[RunOnDisk, ...]
    left_out: tuple[LeftOut, ...]


def rebuild(output: Path) -> Index:
    """Write the page of a folder of runs. Raises: RunError: it cannot, or must not, be written."""
    page = ensure_folder(output) / PAGE
    if page.exists() and not _is_ours(page):
        raise RunError(
            f"{page} was not made by this program, so it stays as it is",
            "Move it away, or choose another folder with --output.",
        )
    try:
        runs, left_out = results.find(output)
    except OSError as error:
        raise RunError(f"cannot look into {output}: {error.strerror}") from error
    return Index(write_whole(page, render(runs, left_out)).resolve(), runs, left_out)


def render(runs: tuple[RunOnDisk, ...], left_out: tuple[LeftOut, ...]) -> str:
    """The page, complete: no request leaves it. Raises: jinja2.TemplateNotFound."""
    style = source(*STYLES)
    entries = [_entry(run) for run in runs]
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            csp=content_security_policy(style),
            style=style,
            entries=entries,
            headline=_headline(runs),
            groups=trends.groups(runs),
            width=trends.WIDTH_PX,
            height=trends.HEIGHT_PX,
            left_out=left_out,
        )
    )


def _is_ours(page: Path) -> bool:
    try:
        return _MARK.encode() in files.content(page, _MOST_BYTES)
    except OSError as error:
        raise RunError(f"cannot read {page}: {error.strerror}") from error


def _headline(runs: tuple[RunOnDisk, ...]) -> str:
    """How many runs there are, and on what; the published table is no run of ours."""
    measured = [run.results for run in runs if not run.results.is_published]
    names = {wording.device(h.gpu) for found in measured for h in found.hosts if h.gpu}
    gpus = sorted(map(wording.brief, names))
    words = []
    if measured:
        where = wording.listed(gpus) if len(gpus) < _MANY else wording.many(len(gpus), "processor")
        words.append(f"{wording.many(len(measured), 'run')}{f' on {where}' if gpus else ''}")
    if len(measured) < len(runs):
        words.append("the published table")
    text = wording.listed(words) or "no runs yet"
    return f"{text[0].upper()}{text[1:]}"


def _entry(run: RunOnDisk) -> Entry:
    found = run.results
    segments = charts.segments(found.counts)
    return Entry(
        name=run.folder,
        # Quoted, as bytes: a folder may be called "javascript:…", or in no encoding at all.
        link=f"./{quote(os.fsencode(run.folder))}/report.html" if run.has_page else "",
        when=found.run.created[:16].replace("T", " "),
        details=_details(run, wording.brief),
        in_full=_details(run, str),
        headline=wording.cut(wording.redacted(_answer(run)), _LONGEST),
        counts=tuple((segment.verdict, segment.count) for segment in segments),
        segments=segments,
        caveat=_caveat(run),
    )


def _answer(run: RunOnDisk) -> str:
    """The run's own headline. An earlier version wrote long names out, and did not say there that a
    run was a rehearsal."""
    text = wording.one_line(run.results.run.answer)
    if run.results.rehearsal and not text.startswith(LABEL):
        return f"{LABEL}: {text}"
    return text


def _details(run: RunOnDisk, shorten: Callable[[str], str]) -> str:
    hosts = run.results.hosts
    gpus = Counter(shorten(wording.device(host.gpu)) for host in hosts if host.gpu)
    named = [name if number == 1 else f"{number} × {name}" for name, number in gpus.items()]
    releases = sorted({host.torch for host in hosts if host.torch})
    if run.results.is_published:
        return f"published by Hugging Face · {wording.listed(list(gpus))}"
    torch = f" · torch {wording.listed(releases)}" if releases else ""
    return f"{wording.listed(named) or 'no host'}{torch}"


def _caveat(run: RunOnDisk) -> str:
    found = run.results.rehearsal
    return f"A rehearsal, not a result: {found}." if found else ""

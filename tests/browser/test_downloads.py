"""Downloads of a page: each is the file that the command line writes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page

from orchestrator.compare.comparison import Comparison
from orchestrator.compare.published_table import build_published
from orchestrator.page import exports
from orchestrator.publish import figures
from tests.browser import runs
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser


def downloaded(page: Page, selector: str) -> tuple[str, str]:
    """The name that the browser suggests, and the text."""
    with page.expect_download() as started:
        page.locator(selector).filter(visible=True).first.click()
    return started.value.suggested_filename, Path(started.value.path()).read_bytes().decode()


@pytest.mark.parametrize("run", [runs.mixed(), runs.hostile("=cmd|' /C calc'!A0")])
def test_the_csv_is_the_csv_export(show: Open, run: Comparison) -> None:
    _, text = downloaded(show(run), "[data-download=csv]")
    assert text.endswith("\r\n")
    found, wanted = (list(csv.DictReader(io.StringIO(t))) for t in (text, exports.to_csv(run)))
    assert [list(row) for row in found] == [list(row) for row in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        for name, value in theirs.items():
            assert close(ours[name], value, 2e-3 if name.startswith("p_") else 1e-4), name


def close(found: str, wanted: str, share: float) -> bool:
    try:
        return float(found) == pytest.approx(float(wanted), rel=share)
    except ValueError:
        return found == wanted


def test_the_json_is_the_json_export(show: Open) -> None:
    run = runs.mixed({"a100": 3.0})
    name, text = downloaded(show(run), "[data-download=json]")
    assert name == "2026-11-23-a.json"
    found, wanted = json.loads(text), json.loads(exports.to_json(run))
    assert found["hosts"] == wanted["hosts"]
    assert [list(row) for row in found["rows"]] == [list(row) for row in wanted["rows"]]
    for ours, theirs in zip(found["rows"], wanted["rows"], strict=True):
        for name, value in theirs.items():
            share = 2e-3 if name.startswith("p_") else 1e-4
            number = isinstance(value, float)
            assert ours[name] == (pytest.approx(value, rel=share) if number else value)


@pytest.mark.parametrize("run", [runs.mixed(), build_published(), runs.hostile("| a | <b>")])
def test_the_markdown_is_the_markdown_export_to_the_byte(show: Open, run: Comparison) -> None:
    name, text = downloaded(show(run), "[data-download=md]")
    assert name.endswith(".md")
    assert text == exports.to_markdown(run)


def numbers(text: str) -> list[str | float]:
    """A value in its parts: 20 and 20.0 are the same."""
    parts = re.split(r"(-?\d+(?:\.\d+)?)", text)
    return [float(part) if place % 2 else part for place, part in enumerate(parts)]


def flat(svg: str) -> Iterator[tuple[object, ...]]:
    """Every element of a file in order: tag, attributes, text; numbers as numbers."""
    for element in ElementTree.fromstring(svg).iter():
        attributes = {name: numbers(value) for name, value in element.attrib.items()}
        yield element.tag, attributes, (element.text or "").strip()


@pytest.mark.parametrize("run", [runs.mixed(), build_published(), runs.hostile(runs.XSS[2])])
def test_the_svg_of_a_chart_is_the_figure_that_the_command_line_draws(
    show: Open, run: Comparison
) -> None:
    page = show(run, color_scheme="dark")
    wanted = {figure.name: figure.svg for figure in figures.figures(run)}
    for selector in (".panel .get", ".panel figure:nth-of-type(2) .get"):
        name, text = downloaded(page, selector)
        assert list(flat(text)) == list(flat(wanted[name.removesuffix(".svg")]))


def test_failed_cases_and_published_markers_are_in_the_svg_too(show: Open) -> None:
    run = runs.mixed()
    page = show(run)
    page.select_option("[data-filter=host]", "t4")
    page.select_option("[data-filter=batch_size]", "4")
    name, text = downloaded(page, ".panel .get")
    assert name == "t4-default-float32-b4-duration.svg"
    assert "✕ OOM" in text
    (wanted,) = (f.svg for f in figures.figures(run) if f"{f.name}.svg" == name)
    assert list(flat(text)) == list(flat(wanted))


def test_a_downloaded_svg_is_light_and_needs_nothing(show: Open) -> None:
    _, text = downloaded(show(runs.mixed(), color_scheme="dark"), ".panel .get")
    assert 'fill="#ffffff"' in text
    for foreign in ("var(", "class=", "style=", "url(", "href", "<script"):
        assert foreign not in text


def test_the_samples_of_a_case_can_be_downloaded_as_they_are_drawn(show: Open) -> None:
    page = show(runs.mixed(), color_scheme="dark")
    page.locator(".heat a").first.click()
    name, text = downloaded(page, "#case .get")
    assert name == "vit-batch-1-default-float32-on-a100-sxm4-40gb-samples.svg"
    root = ElementTree.fromstring(text)
    drawn = [each.attrib for each in root.iter() if each.tag.endswith("path")]
    assert len(drawn) == 60
    assert {each["stroke"] for each in drawn} == {"#8b95a1", "#1b66c9"}
    assert not any({"class", "style"} & each.attrib.keys() for each in root.iter())
    assert "".join(root.itertext()).startswith("ViT, batch 1, default, float32 on A100-SXM4-40GB")

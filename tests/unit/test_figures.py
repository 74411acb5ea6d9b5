"""Charts as files: whole, self-contained, true to the numbers."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orchestrator.compare.comparison import Comparison
from orchestrator.compare.published_table import build_published
from orchestrator.page import drawing
from orchestrator.publish import figures
from tests.factories import case, comparison, environment, failure, measurement, outcome
from tests.unit.test_report import ALL, HOSTILE

SVG = "{http://www.w3.org/2000/svg}"


def drawn(found: Comparison) -> dict[str, ElementTree.Element]:
    return {figure.name: ElementTree.fromstring(figure.svg) for figure in figures.figures(found)}


def bars(svg: ElementTree.Element) -> list[dict[str, str]]:
    return [rect.attrib for rect in svg.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]


@pytest.mark.parametrize("name", ALL)
def test_every_file_is_whole_needs_nothing_and_runs_nothing(name: str) -> None:
    for figure in figures.figures(ALL[name]()):
        root = ElementTree.fromstring(figure.svg)
        assert root.find(f"{SVG}title") is not None
        for element in root.iter():
            assert element.tag.removeprefix(SVG) in {
                "svg", "title", "rect", "text", "g", "line", "path", "circle"
            }  # fmt: skip
            assert not {"class", "style", "href"} & element.attrib.keys()
            assert not any(attribute.startswith("on") for attribute in element.attrib)
        assert "var(" not in figure.svg
        assert "url(" not in figure.svg
        assert re.fullmatch(r"[a-z0-9.-]+", figure.name)


def test_there_are_two_files_per_host_and_setting_and_none_overwrites_another() -> None:
    records = [measurement(case(batch_size=size)) for size in (1, 4)]
    found = figures.figures(comparison(outcome("a b", *records), outcome("a/b", *records)))
    assert len({figure.name for figure in found}) == len(found) == 8


def test_bars_are_as_long_as_their_times() -> None:
    svg = drawn(comparison(outcome("a100", measurement(eager_s=0.020, compiled_s=0.005))))
    eager, compiled = bars(svg["a100-sxm4-40gb-default-float32-b1-duration"])
    assert float(eager["width"]) / float(compiled["width"]) == pytest.approx(4, rel=0.001)
    assert eager["x"] == compiled["x"]


def test_intervals_are_drawn_and_published_means_are_marked() -> None:
    svg = drawn(comparison(outcome("a100", measurement(noise=0.05))))
    duration = svg["a100-sxm4-40gb-default-float32-b1-duration"]
    assert len(list(duration.iter(f"{SVG}path"))) == 2
    assert len(list(duration.iter(f"{SVG}circle"))) == 3  # two marks and their legend
    published = drawn(build_published())["a100-torch-2.0.1-default-float32-b1-duration"]
    assert list(published.iter(f"{SVG}path")) == list(published.iter(f"{SVG}circle")) == []


def test_a_failed_case_says_why() -> None:
    svg = drawn(comparison(outcome("t4", failure(case()))))
    texts = [text.text for each in svg.values() for text in each.iter(f"{SVG}text")]
    assert "✕ OOM" in texts


def test_colours_are_the_literal_ones_of_the_light_page() -> None:
    palette = drawing.palette()
    needed = {"ink", "paper", "quiet", "grid", "eager", "good", "bad", "flat", "seen", "fail"}
    assert needed <= palette.keys()
    assert palette["paper"] == "#ffffff"


def test_hostile_names_stay_text_and_make_no_path() -> None:
    hostile = comparison(
        outcome("../../x", measurement(case(HOSTILE)), of=environment("../../etc/" + HOSTILE))
    )
    for name, svg in drawn(hostile).items():
        assert "/" not in name
        assert list(svg.iter(f"{SVG}script")) == []


def test_the_same_run_gives_the_same_bytes() -> None:
    assert figures.figures(build_published()) == figures.figures(build_published())


def test_a_png_is_drawn_in_twice_the_pixels_and_with_its_text() -> None:
    svg = figures.figures(comparison(outcome("a100", measurement())))[0].svg
    png = figures.to_png(svg)
    root = ElementTree.fromstring(svg)
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (
        2 * int(root.attrib["width"]),
        2 * int(root.attrib["height"]),
    )
    assert len(figures.to_png(re.sub(r"(?s)<text.*?</text>", "", svg))) < len(png) / 2


def test_files_are_written_where_they_were_wanted(tmp_path: Path) -> None:
    found = figures.figures(comparison(outcome("a100", measurement())))
    paths = figures.save(found, tmp_path / "charts", png=False)
    assert [path.suffix for path in paths] == [".svg", ".svg"]
    assert paths[0].read_text() == found[0].svg

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from harness.contract.records import Measurement
from orchestrator.compare.comparison import Comparison
from orchestrator.compare.published_table import build_published
from orchestrator.page.exports import to_json, to_markdown
from orchestrator.page.page_data import unpacked
from orchestrator.publish.report import render
from tests.factories import case, comparison, environment, failure, measurement, outcome, plan

# What ends by itself where one of these begins, as HTML has it for cells and lines of tables.
ENDS = {"td": {"td", "th"}, "th": {"td", "th"}, "tr": {"td", "th", "tr"}}
VOID = {"meta", "link", "img", "br", "hr", "input", "col"}
HOSTILE = (
    "\"'></td></script><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\u202e\x1b[31m\x00{{7*7}}"
)


class Page(HTMLParser):
    """Every tag with its attributes and own text; insists that tags nest, and allows the end tags
    to be missing that HTML does not ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end(ENDS.get(tag, set()))
        element = (tag, {name: value or "" for name, value in attrs}, [])
        self.tags.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        self._end(ENDS["tr"] - {tag} if tag in {"tbody", "thead", "tr"} else set())
        assert self._open.pop()[0] == tag

    def _end(self, implied: set[str]) -> None:
        while self._open and self._open[-1][0] in implied:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def find(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [
            attrs
            for name, attrs, _ in self.tags
            if name == tag
            and all(value in attrs.get(key, "").split() for key, value in wanted.items())
        ]

    def text_of(self, tag: str) -> list[str]:
        return ["".join(text) for name, _, text in self.tags if name == tag]

    def bars(self) -> list[dict[str, str]]:
        """The rectangles inside the charts' groups."""
        return [attrs for tag, attrs, _ in self.tags if tag == "rect" and "height" not in attrs]

    @property
    def data(self) -> Any:
        return unpacked(self.text_of("script")[0])[0]


def wins(*hosts: str) -> Comparison:
    records = [measurement(case(batch_size=size), noise=0.01) for size in (1, 4)]
    return comparison(*(outcome(host, *records) for host in hosts))


def mixed() -> Comparison:
    return comparison(
        outcome(
            "a100",
            measurement(case("vit-base", 1), noise=0.01),
            measurement(case("vit-base", 4), eager_s=0.01, compiled_s=0.013),
            failure(case("beit-base", 1), "oom", "CUDA out of memory", "Traceback: here"),
        )
    )


def hostile() -> Comparison:
    return comparison(
        outcome(
            HOSTILE,
            measurement(case(HOSTILE, 1)),
            failure(case(HOSTILE, 4), "error", HOSTILE, HOSTILE),
            of=environment(HOSTILE, torch=HOSTILE, cpu=HOSTILE, platform=HOSTILE),
            remarks=(HOSTILE,),
            ending="lost",
        )
    )


def lost() -> Comparison:
    """A host that never said anything."""
    silent = outcome("t4", failure(None, "crash", "no GPU"), ending="lost")
    return comparison(silent, of=plan([case(batch_size=1), case(batch_size=4)]))


def one_of(*records: Measurement) -> Comparison:
    return comparison(outcome("a100", *records))


ALL = {
    "wins": lambda: wins("a100"),
    "losses": lambda: one_of(measurement(compiled_s=0.02), measurement(case("x"), compiled_s=0.03)),
    "nothing but failures": lambda: comparison(outcome("t4", failure(case()))),
    "one case": lambda: one_of(measurement()),
    "too few blocks": lambda: one_of(measurement(blocks=2)),
    "no host": lambda: comparison(of=plan()),
    "a lost host": lost,
    "several hosts": lambda: wins("a", "b", "c"),
    "mixed": mixed,
    "hostile": hostile,
    "published": build_published,
}


@functools.cache
def page(name: str) -> Page:
    return Page(render(ALL[name]()))


@pytest.mark.parametrize("name", ALL)
def test_every_page_is_whole_and_answers_first(name: str) -> None:
    found = page(name)
    assert len(found.text_of("h1")) == 1
    assert found.text_of("h1")[0]
    order = [attrs["id"] for tag, attrs, _ in found.tags if tag == "section" and "id" in attrs]
    wanted = ["answer", "filters", "map", "bars", "results", "failed", "missing", "environment"]
    assert order == [name for name in [*wanted, "method"] if name in order]
    assert {"answer", "environment", "method"} <= set(order)


@pytest.mark.parametrize("name", ALL)
def test_every_page_asks_nothing_of_the_network(name: str) -> None:
    for _, attrs, _ in page(name).tags:
        assert "src" not in attrs
        assert attrs.get("href", "#").startswith(("#", "data:,"))
    assert "url(http" not in "".join(page(name).text_of("style"))


@pytest.mark.parametrize("name", ALL)
def test_every_link_has_its_target_and_every_id_is_unique(name: str) -> None:
    ids = [attrs["id"] for _, attrs, _ in page(name).tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for _, attrs, _ in page(name).tags if "#" in attrs.get("href", "")}
    assert links <= set(ids)


@pytest.mark.parametrize("name", ALL)
def test_the_policy_names_exactly_our_own_style_and_script(name: str) -> None:
    (policy,) = (meta["content"] for meta in page(name).find("meta") if "http-equiv" in meta)
    sources = [*page(name).text_of("style"), page(name).text_of("script")[1]]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in sources]
    assert re.findall(r"'sha256-([^']+)'", policy) == [found.decode() for found in hashes]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", ALL)
def test_every_position_of_a_switch_hides_what_belongs_to_another(name: str) -> None:
    (style,) = page(name).text_of("style")
    radios = [tag for tag in page(name).find("input") if tag.get("type") == "radio"]
    places = {tag["id"] for tag in radios if tag["value"]}
    assert set(re.findall(r":has\(#((?:mode|precision)-\d+):checked\)", style)) == places
    for place in places:
        key, number = place[0], place.rpartition("-")[2]
        assert f'(#{place}:checked) [data-{key}]:not([data-{key}="{number}"])' in style


@pytest.mark.parametrize("name", ALL)
def test_no_element_needs_what_the_policy_forbids(name: str) -> None:
    for _, attrs, _ in page(name).tags:
        assert "style" not in attrs
        assert not any(attribute.startswith("on") for attribute in attrs)


@pytest.mark.parametrize("name", ALL)
def test_the_same_comparison_gives_the_same_bytes(name: str) -> None:
    assert render(ALL[name]()) == render(ALL[name]())


def test_hostile_text_stays_text() -> None:
    html = render(hostile())
    found = Page(html)
    assert len(found.find("script")) == 2
    assert found.find("img") == []
    assert "alert(1)" not in found.text_of("script")[1]
    assert "49" not in found.text_of("h1")[0]
    for forbidden in ("\u202e", "\x1b", "\x00"):
        assert forbidden not in html
        assert f"\\u{ord(forbidden):04x}" not in html


def test_bars_are_as_long_as_their_times() -> None:
    found = Page(render(one_of(measurement(eager_s=0.020, compiled_s=0.005))))
    eager, compiled, _ = found.bars()
    ratio = float(eager["width"].rstrip("%")) / float(compiled["width"].rstrip("%"))
    assert ratio == pytest.approx(4, rel=0.001)
    assert "x" not in eager
    assert "x" not in compiled


def test_the_map_has_a_cell_per_case_and_failed_ones_lead_to_their_reason() -> None:
    found = page("mixed")
    cells = [attrs for attrs in found.find("td") if "data-i" in attrs]
    assert len(cells) == 4
    (link,) = found.find("a", **{"class": "failed"})
    assert link["href"] == "#p0"
    assert [attrs["id"] for attrs in found.find("article", **{"class": "trouble"})] == ["p0", "p1"]


def test_every_case_has_a_line_in_the_results() -> None:
    found = page("published")
    assert len([attrs for attrs in found.find("tr") if attrs.get("id", "").startswith("r")]) == 136
    assert {len(values) for values in found.data["values"]} == {136}


def test_published_means_have_no_verdict_and_no_whiskers() -> None:
    found = page("published")
    assert not any("y1" not in line and "y2" not in line for line in found.find("line"))
    assert not any(found.find("g", **{"class": word}) for word in ("faster", "slower", "same"))


def test_the_inert_data_is_the_json_export() -> None:
    run = mixed()
    data = Page(render(run)).data
    exported = json.loads(to_json(run))
    assert data["header"] == {name: part for name, part in exported.items() if name != "rows"}
    assert data["columns"] == list(exported["rows"][0])
    for name, values in zip(data["columns"], data["values"], strict=True):
        for found, row in zip(values, exported["rows"], strict=True):
            number = isinstance(row[name], float)
            digits = 1e-2 if name.startswith("p_value") else 1e-4
            assert found == (pytest.approx(row[name], rel=digits) if number else row[name])
    assert data["markdown"] == to_markdown(run)


def test_environments_that_differ_come_first() -> None:
    run = comparison(
        outcome("a", measurement(), of=environment(torch="2.13.0")),
        outcome("b", measurement(), of=environment(torch="2.12.1")),
    )
    html = render(run)
    assert html.index("PyTorch <small>differs") < html.index("GPU or CPU")


def test_a_run_that_lost_its_host_says_what_happened() -> None:
    text = " ".join("".join(text) for _, _, text in page("a lost host").tags)
    assert "could not be used, or was lost" in text
    assert "no GPU" in text


def test_scrolling_containers_can_be_reached_by_keyboard() -> None:
    for attrs in page("mixed").find("div", **{"class": "scroll"}):
        assert attrs["tabindex"] == "0"
        assert attrs["role"] == "region"

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestrator.compare.published_table import build_published
from orchestrator.errors import RunError
from orchestrator.page.exports import to_json
from orchestrator.publish import index_page, results
from tests.unit.test_report import HOSTILE, Page
from tests.unit.test_results import content, put


def folder_of_runs(output: Path) -> Path:
    """Two runs of one GPU, the published table, a broken folder."""
    for name, day in (("first", 1), ("second", 2)):
        found = content(created=f"2026-11-0{day}T10:00:00+00:00", answer=f"Answer {day}")
        (put(output, name, json.dumps(found)) / "report.html").write_text("")
    put(output, "published", to_json(build_published()))
    put(output, "broken", "{")
    return output


def test_runs_are_listed_newest_first_with_links_that_can_be_published(tmp_path: Path) -> None:
    found = Page(index_page.rebuild(folder_of_runs(tmp_path)).page.read_text())
    assert found.text_of("h1") == ["2 runs on A100-SXM4-40GB and the published table"]
    links = [a["href"] for a in found.find("a") if not a["href"].startswith("#")]
    assert links == ["./second/report.html", "./first/report.html"]
    assert [text.strip() for text in found.text_of("h2")][-2:] == ["Speed-up over runs", "Left out"]


def test_long_names_are_short_in_headlines_and_whole_in_what_a_pointer_shows(
    tmp_path: Path,
) -> None:
    gpu = "NVIDIA " + "long " * 20 + "name"
    told = content(answer=f"Yes, in every case on {gpu * 4}")
    for part in (*told["hosts"], *told["rows"]):
        part["gpu"] = gpu
    put(tmp_path, "first", json.dumps(told))
    found = Page(index_page.rebuild(tmp_path).page.read_text())
    (headline,) = found.text_of("h1")
    assert len(headline) < 60
    assert headline.endswith("ong long name")
    entry = next(text for text in found.text_of("h2") if text.startswith("Yes"))
    assert len(entry) <= 240
    titles = [attrs["title"] for attrs in found.find("p", **{"class": "quiet"}) if "title" in attrs]
    assert [gpu.removeprefix("NVIDIA ") in title for title in titles] == [True]


def test_trends_are_drawn_with_a_word_for_those_who_do_not_see_them(tmp_path: Path) -> None:
    found = Page(index_page.rebuild(folder_of_runs(tmp_path)).page.read_text())
    (label,) = [svg["aria-label"] for svg in found.find("svg", role="img")]
    assert label == "Speed-up of ViT, batch 1, default, float32: 1.25× → 1.25× over 2 runs"
    assert len(found.find("circle", **{"class": "dot"})) == 2


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(tmp_path: Path) -> None:
    found = Page(index_page.rebuild(folder_of_runs(tmp_path)).page.read_text())
    assert found.find("script") == []
    for _, attrs, _ in found.tags:
        assert not {"src", "style"} & attrs.keys()
        assert attrs.get("href", "#").startswith(("#", "data:,", "./"))
    (policy,) = (meta["content"] for meta in found.find("meta") if "http-equiv" in meta)
    assert "script-src 'none'" in policy
    assert "unsafe" not in policy


def test_an_empty_folder_says_how_to_measure(tmp_path: Path) -> None:
    found = Page(index_page.rebuild(tmp_path / "new").page.read_text())
    assert found.text_of("h1") == ["No runs yet"]


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    first = index_page.rebuild(folder_of_runs(tmp_path)).page.read_bytes()
    assert index_page.rebuild(tmp_path).page.read_bytes() == first


def test_hostile_names_stay_text_and_lead_nowhere_else(tmp_path: Path) -> None:
    hostile = content(answer=HOSTILE, run_id=HOSTILE, created=HOSTILE)
    hostile["hosts"][0] |= {"host": HOSTILE, "gpu": HOSTILE, "torch": HOSTILE}
    for row in hostile["rows"]:
        row |= {"gpu": HOSTILE, "label": HOSTILE, "model": HOSTILE, "mode": HOSTILE}
    for name in ("javascript:alert(1)", '"><script>alert(1)<', "a%2f..", "a#b?c"):
        folder = put(tmp_path, name.replace("/", ""), json.dumps(hostile))
        (folder / "report.html").write_text("")
    put(tmp_path, "<img src=x>", "{")
    html = index_page.rebuild(tmp_path).page.read_text()
    found = Page(html)
    assert found.find("script") == found.find("img") == []
    links = [a["href"] for a in found.find("a") if not a["href"].startswith("#")]
    assert len(links) == 4
    for link in links:
        assert link.startswith("./")
        assert not set(':"<>#?') & set(link)
    for forbidden in ("\u202e", "\x1b", "\x00"):
        assert forbidden not in html


def test_a_folder_whose_name_is_in_no_encoding_can_be_listed(tmp_path: Path) -> None:
    folder = put(tmp_path, os.fsdecode(b"b\xffd"), json.dumps(content()))
    (folder / "report.html").write_text("")
    html = index_page.rebuild(tmp_path).page.read_text(encoding="utf-8")
    assert "./b%FFd/report.html" in html


def test_a_foreign_index_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>My site</h1>")
    with pytest.raises(RunError, match="not made by this program"):
        index_page.rebuild(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<h1>My site</h1>"


def test_a_run_of_a_newer_version_is_named_and_stops_nothing(tmp_path: Path) -> None:
    put(folder_of_runs(tmp_path), "newer", json.dumps(content() | {"version": 9}))
    index = index_page.rebuild(tmp_path)
    assert len(index.runs) == 3
    assert "update this checkout" in next(e.why for e in index.left_out if e.folder == "newer")
    assert results.NAME in index.page.read_text()

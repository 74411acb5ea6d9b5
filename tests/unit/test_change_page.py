"""The page about two runs keeps the promises of the page of one."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from pathlib import Path

import pytest

from harness.contract.records import Measurement
from orchestrator.changes.change_tables import view
from orchestrator.changes.changes import Changes, between
from orchestrator.cli import change_summary, summary
from orchestrator.compare.comparison import Comparison
from orchestrator.publish import baseline, change_page, report
from orchestrator.records.outcomes import HostOutcome
from tests.factories import case, comparison, environment, failure, measurement, outcome, plan
from tests.unit.test_report import HOSTILE, Page


def several(scale: float, host: str = "a100", torch: str = "2.13.0") -> Comparison:
    """Four cases; the first one's compiled time is multiplied."""
    slow = measurement(case(batch_size=1), compiled_s=0.008 * scale, noise=0.01)
    rest = [measurement(case(batch_size=size), noise=0.01) for size in (2, 4, 8)]
    return comparison(outcome(host, slow, *rest, of=environment(torch=torch)))


def hostile(extra: Measurement | None = None) -> Comparison:
    records = [measurement(case(HOSTILE)), failure(case(HOSTILE, 2), "error", HOSTILE, HOSTILE)]
    records += [extra] if extra else []
    found = environment(HOSTILE, torch=HOSTILE if extra else "2.13.0", cpu=HOSTILE)
    return comparison(outcome(HOSTILE, *records, of=found))


def never_started(host: str) -> HostOutcome:
    trouble = failure(None, "host_unavailable", "cannot reach it")
    return HostOutcome(host, "lost", host_failures=(trouble,))


ALL = {
    "one slower": lambda: between(several(1.0), several(1.2, torch="2.14.0")),
    "one faster": lambda: between(several(1.0), several(0.7)),
    "nothing changed": lambda: between(several(1.0), several(1.0)),
    "nothing in common": lambda: between(
        several(1.0), comparison(outcome("t4", measurement(), of=environment("Tesla T4")))
    ),
    "failed since": lambda: between(several(1.0), comparison(outcome("a100", failure(case())))),
    "too few blocks": lambda: between(
        comparison(outcome("a", measurement(blocks=2))), comparison(outcome("a", measurement()))
    ),
    "hostile": lambda: between(hostile(), hostile(measurement(case(HOSTILE, 4)))),
}


@functools.cache
def page(name: str) -> Page:
    return Page(change_page.render(ALL[name]()))


def text(found: Page) -> str:
    return " ".join(" ".join("".join(words) for _, _, words in found.tags).split())


@pytest.mark.parametrize("name", ALL)
def test_every_page_is_whole_and_says_first_what_differs_around_the_numbers(name: str) -> None:
    found = page(name)
    assert len(found.text_of("h1")) == 1
    order = [attrs["id"] for tag, attrs, _ in found.tags if tag == "section" and "id" in attrs]
    wanted = ["answer", "environment", "changes", "outcomes", "unmatched", "method"]
    assert order == [name for name in wanted if name in order]
    assert {"answer", "environment", "method"} <= set(order)
    cautious = "What another day, temperature or reboot adds" in text(found)
    assert cautious == ("changes" in order)  # where nothing was compared, no interval misleads


@pytest.mark.parametrize("name", ALL)
def test_every_page_asks_nothing_of_the_network_and_runs_nothing(name: str) -> None:
    found = page(name)
    assert found.find("script") == []
    for _, attrs, _ in found.tags:
        assert "src" not in attrs
        assert "style" not in attrs
        assert not any(attribute.startswith("on") for attribute in attrs)
        assert attrs.get("href", "#").startswith(("#", "data:,"))
    assert "url(http" not in "".join(found.text_of("style"))


@pytest.mark.parametrize("name", ALL)
def test_the_policy_names_exactly_our_own_style(name: str) -> None:
    (policy,) = (meta["content"] for meta in page(name).find("meta") if "http-equiv" in meta)
    digest = hashlib.sha256(page(name).text_of("style")[0].encode()).digest()
    assert re.findall(r"'sha256-([^']+)'", policy) == [base64.b64encode(digest).decode()]
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy


@pytest.mark.parametrize("name", ALL)
def test_every_link_has_its_target_and_every_id_is_unique(name: str) -> None:
    ids = [attrs["id"] for _, attrs, _ in page(name).tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for _, attrs, _ in page(name).tags if "#" in attrs.get("href", "")}
    assert links <= set(ids)


@pytest.mark.parametrize("name", ALL)
def test_the_same_runs_give_the_same_bytes(name: str) -> None:
    assert change_page.render(ALL[name]()) == change_page.render(ALL[name]())
    assert json.dumps(change_page.to_json(ALL[name]())) == json.dumps(
        change_page.to_json(ALL[name]())
    )


def test_a_slow_down_is_counted_named_and_has_its_interval() -> None:
    found = page("one slower")
    assert found.text_of("h1") == ["Compiled code is slower in 1 of 4 cases"]
    assert "+20 % slower" in text(found).replace("\N{NO-BREAK SPACE}", " ")
    assert "3 cases without a significant change" in text(found)
    assert "2.14.0" in text(found)


def eager_slower(scale: float) -> Comparison:
    """Two cases; eager code of the first takes longer, compiled code of none."""
    first = measurement(case(batch_size=1), eager_s=0.010 * scale, noise=0.01)
    rest = [measurement(case(batch_size=size), noise=0.01) for size in (2, 4, 8)]
    return comparison(outcome("a100", first, *rest))


def test_a_speed_up_that_changed_is_told_although_compiled_code_did_not() -> None:
    found = Page(change_page.render(between(eager_slower(1.0), eager_slower(1.3))))
    assert found.text_of("h1") == [
        "No significant change of the compiled time in 4 cases, but the speed-up rose in 1 case"
    ]
    fell = Page(change_page.render(between(several(1.0), several(1.2))))
    assert "The speed-up fell in 1 case." in text(fell)


@pytest.mark.parametrize("name", ALL)
def test_a_link_on_the_page_is_called_as_the_section_that_it_leads_to(name: str) -> None:
    found = page(name)
    titles = {
        attrs["id"].removesuffix("-title"): "".join(words)
        for tag, attrs, words in found.tags
        if tag == "h2" and "id" in attrs
    }
    links = [
        (a["href"][1:], "".join(w)) for tag, a, w in found.tags if tag == "a" and "class" not in a
    ]
    for target, words in links:
        if target != "method":
            assert titles[target].startswith(words)


def test_where_nothing_changed_the_page_says_so_and_shows_all_cases() -> None:
    assert (
        "No significant change of the compiled time in 4 cases"
        in page("nothing changed").text_of("h1")[0]
    )
    assert "No recorded fact differs." in text(page("nothing changed"))


def test_what_differs_around_the_runs_includes_their_plans_and_what_one_did_not_record() -> None:
    records = outcome("a", measurement(), of=environment(triton=None))
    before = comparison(records, of=plan(weights="random"))
    after = comparison(outcome("a", measurement()), of=plan(weights="pretrained"))
    (pair,) = view(between(before, after)).surroundings
    found = {line.name: line.values for line in pair.differing}
    assert found == {"Triton": ("–", "3.7.1"), "Weights": ("random", "pretrained")}
    assert "Harness revision" in {line.name for line in pair.equal}


def test_a_run_that_measured_nothing_shows_no_invented_differences() -> None:
    flags = {"cudnn.allow_tf32": "True"}
    measured = measurement().model_copy(update={"flags": flags, "telemetry_note": "no NVML"})
    before = comparison(outcome("a", measured, measurement(case(recipe="eager"))))
    for nothing in (outcome("a", failure(case())), never_started("a")):
        for pair in ((before, comparison(nothing)), (comparison(nothing), before)):
            changes = between(*pair)
            (found,) = view(changes).surroundings
            assert found.differing == ()
            lines = {line.name: line.values for line in found.apart}
            assert "not recorded" in lines["Float arithmetic, read back"]
            assert "Differs" not in change_summary.to_text(changes, Path("compare.html"), None)
            content = change_page.to_json(changes)
            assert content["environment_differences"] == []
            told = {each["fact"]: each["values"] for each in content["environment_not_recorded"]}  # type: ignore[attr-defined]
            assert None in told["Float arithmetic, read back"]


def test_the_noise_of_two_runs_is_no_difference_around_them() -> None:
    def run(noise: float) -> Comparison:
        return comparison(
            outcome("a", measurement(), measurement(case(recipe="eager"), noise=noise))
        )

    (found,) = view(between(run(0.01), run(0.02))).surroundings
    assert found.differing == ()
    assert {line.name for line in found.apart} == {"Noise floor", "A/A cases, 95 % intervals"}


def test_a_case_that_works_no_more_comes_first_by_name_everywhere() -> None:
    before = several(1.0)
    rest = [measurement(case(batch_size=size), noise=0.01) for size in (1, 2, 4)]
    after = comparison(outcome("a100", *rest, failure(case(batch_size=8))))
    changes = between(before, after)
    headline = (
        "1 case that worked before fails; no significant change of the compiled time in 3 cases"
    )
    assert Page(change_page.render(changes)).text_of("h1") == [headline]
    said = change_summary.to_text(changes, Path("compare.html"), None)
    named = "ViT, batch 8, default, float32 on A100-SXM4-40GB (OOM)"
    assert said.splitlines()[-1].startswith(f"{headline}. Since then without times: {named}.")
    assert change_page.to_json(changes)["headline"] == headline
    assert f"Against run 2026-11-23-a: {headline}." in summary.to_text(
        after, Path("report.html"), None, changes
    )
    assert json.loads(summary.to_json(after, Path("report.html"), changes))["baseline"] == {
        "run": "2026-11-23-a", "headline": headline, "sentence": view(changes).said.sentence,
    }  # fmt: skip


def test_of_many_cases_that_work_no_more_three_are_named() -> None:
    sizes = (1, 2, 4, 8)
    lost = [failure(case(batch_size=size)) for size in sizes]
    said = view(between(several(1.0), comparison(outcome("a100", *lost)))).said
    assert said.headline == "4 cases that worked before fail; no case has times in both runs"
    assert said.sentence.count("(OOM)") == 3
    assert "; and 1 more." in said.sentence


def test_a_host_that_never_started_is_told_from_one_that_was_not_asked() -> None:
    changes = between(several(1.0), comparison(never_started("a100"), of=several(1.0).run.plan))
    assert view(changes).said.headline.startswith("4 cases that worked before fail; ")
    assert "on A100-SXM4-40GB (host unavailable)" in view(changes).said.sentence
    assert view(changes).only_before == ()
    other = between(several(1.0), comparison(never_started("t4"), of=several(1.0).run.plan))
    assert "the later one on nothing (t4 never started)" in view(other).said.sentence


def test_eager_that_moved_as_well_points_away_from_the_compiler() -> None:
    before = comparison(outcome("a", measurement(noise=0.01)))
    slow = measurement(eager_s=0.012, compiled_s=0.0096, noise=0.01)
    found = view(between(before, comparison(outcome("a", slow))))
    assert "eager code moved the same way" in found.said.sentence
    assert "before the compiler" not in view(ALL["one slower"]()).said.sentence


def test_dots_stand_where_their_change_is() -> None:
    found = view(ALL["one slower"]())
    zero, (line,) = found.zero, found.moved
    assert line.dot.low is not None
    assert line.dot.high is not None
    assert zero < line.dot.low <= line.dot.x <= line.dot.high <= 100
    assert all(abs(unmoved.dot.x - zero) < 5 for unmoved in found.unmoved)


def test_a_change_of_a_thousand_percent_stays_on_the_page() -> None:
    slow = comparison(outcome("a", measurement(compiled_s=0.08)))
    found = view(between(comparison(outcome("a", measurement())), slow))
    assert 0 <= found.moved[0].dot.x <= 100


def test_hostile_text_stays_text() -> None:
    html = change_page.render(ALL["hostile"]())
    found = Page(html)
    assert found.find("script") == found.find("img") == []
    assert len(found.find("details")) >= 1
    for forbidden in ("\u202e", "\x1b", "\x00", "{{7*7}}".replace("7*7", "49")):
        assert forbidden not in html


def test_json_has_every_matched_case_and_no_nan() -> None:
    content = json.loads(change_page.dumps(change_page.to_json(ALL["one slower"]())))
    assert content["compiled_counts"] == {"slower": 1, "faster": 0, "same": 3, "unclear": 0}
    assert [each["compiled_time"]["verdict"] for each in content["cases"]] == ["slower"] + [
        "same"
    ] * 3
    assert content["environment_differences"][0]["fact"] == "PyTorch"
    few = change_page.to_json(ALL["too few blocks"]())["cases"]
    assert few[0]["compiled_time"]["adjusted_p"] is None  # type: ignore[index]


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("name", ALL)
def test_the_summary_fits_the_terminal_and_ends_with_the_answer(name: str, width: int) -> None:
    said = change_summary.to_text(ALL[name](), Path("compare.html"), width)
    lines = said.splitlines()
    assert "Page: compare.html" in lines
    assert "\x1b" not in said
    if name != "hostile":  # a name in pieces could not be read
        assert max(map(len, lines)) <= width


def test_a_run_shows_what_changed_against_its_baseline_run() -> None:
    after = several(1.2)
    found = Page(report.render(after, baseline.against_run(between(several(1.0), after))))
    ids = [attrs["id"] for tag, attrs, _ in found.tags if tag == "section" and "id" in attrs]
    assert ids.index("results") < ids.index("changes") < ids.index("environment")
    assert "Compiled code is slower in 1 of 4 cases" in text(found)


def many(scale: float, models: range) -> Comparison:
    """A case per model; all compiled times are multiplied."""
    records = (measurement(case(f"org/m{n}"), compiled_s=0.008 * scale, noise=0.01) for n in models)
    return comparison(outcome("a100", *records))


def test_the_page_of_a_run_has_what_changed_most_and_says_where_the_rest_is() -> None:
    limit = baseline.MAX_LINES
    changed = between(many(1.0, range(limit + 5)), many(1.2, range(1, limit + 45)))
    held = baseline.against_run(changed)
    assert held.view is not None
    assert len(held.view.moved) == limit
    assert held.view.only_before == (view(changed).only_before[0],)
    assert held.left_out == ("4 cases that changed less", "40 cases only in this run")
    found = Page(report.render(changed.after, held))
    assert len(found.find("td", **{"class": "drawn"})) == limit
    assert "python orchestrate.py compare 2026-11-23-a 2026-11-23-a" in text(found)
    whole = Page(change_page.render(changed))
    assert len(whole.find("td", **{"class": "drawn"})) == limit + 4


def test_the_page_of_a_run_with_few_cases_lacks_nothing_that_changed() -> None:
    held = baseline.against_run(between(several(1.0), several(1.2)))
    assert held.view == view(between(several(1.0), several(1.2)))
    assert held.left_out == ()
    assert "Not on this page" not in report.render(several(1.2), held)


def test_against_published_means_there_are_ratios_and_no_verdict() -> None:
    run = comparison(outcome("a100", measurement(eager_s=0.01865, compiled_s=0.015168)))
    held = baseline.against_published(run)
    (line,) = held.beside
    assert line.compiled.replace("\N{NO-BREAK SPACE}", " ") == "7.58 → 15.2 ms, 2.00×"
    html = report.render(run, held)
    section = html[html.index('id="changes"') : html.index('id="environment"')]
    assert "no verdict" in " ".join(section.split())
    assert "slower" not in section
    assert "significant" not in section


def test_without_published_means_for_its_cases_a_run_says_so() -> None:
    run = comparison(outcome("cpu", measurement(), of=environment("Intel Xeon")))
    held = baseline.against_published(run)
    assert held.beside == ()
    assert "has no case of this run" in report.render(run, held)


def test_without_a_baseline_there_is_no_such_section() -> None:
    assert 'id="changes"' not in report.render(several(1.0))


def test_a_hostile_baseline_stays_text_on_the_page_of_a_run() -> None:
    changes: Changes = ALL["hostile"]()
    found = Page(report.render(changes.after, baseline.against_run(changes)))
    assert len(found.find("script")) == 2
    assert found.find("img") == []

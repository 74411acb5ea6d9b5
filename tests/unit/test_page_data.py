"""The packed data, the samples in it, the caveats, the command, and what there is to choose."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import planning
from orchestrator.compare.comparison import Comparison
from orchestrator.compare.published_table import build_published
from orchestrator.page import (
    caveats,
    choices,
    exports,
    packing,
    page_data,
    reproduce,
    samples,
    tables,
)
from orchestrator.page.heatmap import MAX_COLUMNS, heat_maps
from orchestrator.page.metrics import DIALOG_LINES
from orchestrator.publish.report import render
from tests.browser import runs
from tests.factories import case, comparison, environment, failure, measurement, outcome, plan


def test_samples_keep_their_order_and_their_place_within_a_step() -> None:
    run = runs.mixed()
    packed = samples.pack(run.rows)
    first = run.rows[0].measurement
    assert first is not None
    assert packed.cases[0] is not None
    layout, low, high, most, *middles = packed.cases[0]
    assert packed.layouts[layout] == " ".join(["e10", "c10"] * 30)
    wanted = first.timings.samples_s
    assert (low, high) == pytest.approx((min(wanted), max(wanted)), rel=1e-6)
    assert most == 127
    half_a_step = (high - low) / (2 * most)
    for place, sample_s in enumerate(wanted):
        step = (packed.steps[place] + middles[place // 10 % 2]) % 256
        found = low + step / most * (high - low)
        assert found == pytest.approx(sample_s, abs=half_a_step * 1.01)


def test_calls_that_scatter_over_the_whole_range_are_kept_in_fewer_steps() -> None:
    wide = runs.scattered(measurement(eager_s=0.01, compiled_s=0.01), seed=1)
    (scaled,) = samples.pack(comparison(outcome("t4", wide)).rows).cases
    assert scaled is not None
    assert scaled[3] == 63


def test_a_row_without_samples_takes_no_place() -> None:
    packed = samples.pack(comparison(outcome("t4", failure(case()), measurement(case("x")))).rows)
    assert [each is None for each in packed.cases] == [False, True]
    assert len(packed.steps) == 600


def test_equal_samples_are_packed_without_a_division_by_zero() -> None:
    packed = samples.pack(comparison(outcome("t4", measurement(eager_s=1, compiled_s=1))).rows)
    assert set(packed.steps) == {0}


def test_too_many_samples_become_the_means_of_their_blocks() -> None:
    run = comparison(outcome("t4", *(measurement(case(f"o/{n}"), calls=90) for n in range(60))))
    packed = samples.pack(run.rows)
    assert packed.means_only
    assert len(packed.steps) == 60 * 60
    assert set(packed.layouts[0].split()) == {"e1", "c1"}


def test_the_block_cannot_end_its_element_and_is_read_back() -> None:
    run = runs.hostile("</script>")
    packed = page_data.block(run, tables.results(run), ())
    assert re.fullmatch(r"\d+ [!-~]+\n\d+ [!-~]+", packed)
    assert not {"<", "&"} & set(packed)
    content, steps = page_data.unpacked(packed)
    assert "</script>" in str(content["titles"])
    assert len(steps) == 600


@given(st.binary(max_size=300), st.booleans())
def test_whatever_is_packed_is_unpacked_again(content: bytes, is_noise: bool) -> None:
    assert packing.unpack(packing.pack(content, is_noise=is_noise)) == content


def test_hosts_that_differ_only_in_hardware_have_no_caveat() -> None:
    assert caveats.between_hosts(runs.mixed().hosts) == ()


def test_mixed_software_harness_and_picture_are_named() -> None:
    ours = outcome("a", measurement(), of=environment(torch="2.13.0", in_container=True))
    theirs = outcome("b", measurement(), of=environment(torch="2.12.1", in_container=False))
    theirs = replace(theirs, harness_revision="beef", picture="dog.jpg")
    (sentence,) = caveats.between_hosts(comparison(ours, theirs).hosts)
    assert sentence == (
        "The hosts differ in torch (2.13.0 and 2.12.1), container (inside and outside), harness "
        "revision (1234abcd and beef) and input picture (cats.jpg, 640 x 480 and dog.jpg): a "
        "difference between them may come from that and not from the GPU."
    )


def test_a_host_says_what_limits_its_numbers() -> None:
    records = (
        measurement(case("a"), stable=False),
        measurement(case("b"), graph_breaks=2),
        measurement(case("c"), blocks=2),
    )
    found = outcome("a100", *records, ending="interrupted")
    found = replace(found, environments=(environment(), environment(torch="2.12.1")))
    run = comparison(found, of=plan([case(m) for m in "abcd"]))
    assert caveats.of_host(run.hosts[0], run.run.plan) == (
        "This host was interrupted; 1 case not measured.",
        "Measured in 2 sittings, environments differing; the last is shown.",
        "1 case had not settled when the warm-up reached its limit.",
        "1 case compiled with graph breaks.",
        "1 case had too few blocks to judge.",
    )


def never_started(message: str) -> Comparison:
    lost = outcome("t4", failure(None, "host_unavailable", message), ending="lost")
    return comparison(outcome("a100", measurement()), replace(lost, environments=()))


def test_a_host_that_never_started_says_why_and_has_no_device() -> None:
    run = never_started("cannot reach t4: Connection timed out")
    host, row = run.hosts[1], run.rows[1]
    assert caveats.of_host(host, run.run.plan) == (
        "This host never started: cannot reach t4: Connection timed out",
    )
    assert (row.gpu, row.verdict) == ("", "failed")
    page = render(run)
    assert "unknown device" not in page
    assert "nothing was measured on t4" in page
    assert json.loads(exports.to_json(run))["rows"][1]["gpu"] is None


def test_the_notes_of_a_case_stand_beside_its_evidence() -> None:
    noted = measurement(case("a")).model_copy(update={"notes": ("no warm start:\n slow", "gaps")})
    (row,) = comparison(outcome("a100", noted), of=plan([case("a")])).rows
    assert {line.title: line.write(row) for line in DIALOG_LINES}["Notes"] == (
        "no warm start: slow; gaps"
    )


def test_a_host_that_was_lost_later_counts_what_it_left_unmeasured() -> None:
    lost = outcome("t4", measurement(), failure(None, "host_unavailable", "gone"), ending="lost")
    run = comparison(lost, of=plan([case(), case(batch_size=4), case(batch_size=16)]))
    assert caveats.of_host(run.hosts[0], run.run.plan)[0] == (
        "This host was lost before its end; 2 cases not measured."
    )


def test_a_case_whose_record_was_refused_failed_and_says_why() -> None:
    refused = {case().case_id: "no compiled code ran (t4.1.jsonl, line 5)"}
    run = comparison(replace(outcome("t4"), refused=refused), of=plan([case()]))
    (row,) = run.rows
    assert row.verdict == "failed"
    assert row.problem is not None
    assert row.problem.reason == "refused"
    assert row.problem.message == (
        "its record was refused: no compiled code ran (t4.1.jsonl, line 5)"
    )
    assert "a record came that could not be accepted" in render(run)


def test_the_command_names_all_that_made_the_case_what_it_is() -> None:
    quick = planning.protocol(30, quick=True, until="1%", warm_cache=True, case_processes="fork")
    chosen = plan([case()], protocol=quick, weights="random", recipes=("aot_eager",), size="tiny")
    words = shlex.split(reproduce.command("my host", [case("a b"), case("a b", 4)], chosen))
    assert words[:4] == ["python", "orchestrate.py", "--quick", "--warm-cache"]
    assert dict(zip(words[4::2], words[5::2], strict=True)) == {
        "--hosts": "my host",
        "--models": "a b",
        "--modes": "default",
        "--precisions": "float32",
        "--batch-sizes": "1,4",
        "--iterations": "30",
        "--weights": "random",
        "--image": "https://example.org/cats.jpg",
        "--until": "1%",
        "--case-processes": "fork",
        "--backend": "aot_eager",
        "--size": "tiny",
    }
    assert reproduce.command("a", [case()], None) == ""


def test_a_home_directory_in_a_command_is_the_readers_own() -> None:
    words = reproduce.command("a", [case("/home/alice/my models/vit")], plan([case()]))
    assert " --models ~/'my models/vit' " in words


def test_what_has_one_value_is_nothing_to_choose() -> None:
    run = comparison(outcome("a100", measurement()))
    assert choices.switches(run.rows) == ()
    assert choices.filters(run) == ()


def test_a_switch_lists_what_occurs_in_the_order_of_the_contract_and_all() -> None:
    records = [measurement(case(recipe=mode)) for mode in ("max-autotune", "default")]
    (switch,) = choices.switches(comparison(outcome("a100", *records)).rows)
    assert switch == (
        "Mode",
        "mode",
        [
            ("mode-0", "default", "default"),
            ("mode-2", "max-autotune", "max-autotune"),
            ("mode-all", "", "all"),
        ],
    )


def test_more_batch_sizes_than_a_phone_holds_are_split() -> None:
    sizes = [2**n for n in range(MAX_COLUMNS + 2)]
    run = comparison(outcome("a100", *(measurement(case(batch_size=size)) for size in sizes)))
    (found,) = heat_maps(run)
    assert [len(each.sizes) for each in found.hosts] == [MAX_COLUMNS, 2]


def test_tables_side_by_side_share_their_lines_and_others_leave_out_what_they_lack() -> None:
    (joined,) = heat_maps(comparison(outcome("a", measurement(case("m"))), outcome("b")))
    assert [len(each.lines) for each in joined.hosts] == [1, 1]
    published = heat_maps(build_published())[0]
    assert not published.joined
    assert {len(each.lines) for each in published.hosts} == {2, 12}

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract.records import Measurement
from orchestrator import wording
from orchestrator.compare.published_table import build_published
from orchestrator.page.answer import answer, describe
from orchestrator.page.judgement import judge
from orchestrator.statistics.statistics import BreakEven, Estimate
from tests.factories import case, comparison, environment, failure, measurement, outcome, plan

MODELS = tuple(f"org/model-{number}" for number in range(10))


def measured(*speed_ups: float, noise: float = 0.0) -> list[Measurement]:
    """One case per speed-up, a model each."""
    return [
        measurement(case(model), eager_s=0.01, compiled_s=0.01 / ratio, noise=noise)
        for model, ratio in zip(MODELS, speed_ups, strict=False)
    ]


def test_a_run_that_only_wins_says_yes_in_every_case() -> None:
    found = answer(comparison(outcome("a100", *measured(1.5, 1.3, 1.2))))
    assert found.headline == "Yes, in every case on A100-SXM4-40GB"
    assert "faster in all 3 compared cases." in found.sentence


def test_a_run_that_only_loses_says_no() -> None:
    found = answer(comparison(outcome("a100", *measured(0.5, 0.7))))
    assert found.headline == "No, not on A100-SXM4-40GB"
    assert "slower in all 2 compared cases" in found.sentence
    assert "pays for itself" not in found.sentence


def test_a_run_without_differences_says_so() -> None:
    found = answer(comparison(outcome("a100", *measured(1.0, 1.0))))
    assert found.headline == "No difference in any case on A100-SXM4-40GB"


def test_scattered_times_are_called_unclear() -> None:
    run = comparison(outcome("a100", *measured(1.0, 1.0, 1.0, noise=0.4)))
    assert answer(run).headline == "Unclear on A100-SXM4-40GB"


def test_wins_with_one_exception_in_ten_are_most_cases_and_with_more_are_mixed() -> None:
    most = comparison(outcome("a100", *measured(*[1.5] * 9, 0.8)))
    mixed = comparison(outcome("a100", *measured(*[1.5] * 8, 0.8, 0.8)))
    assert judge(most.hosts[0]).words == "Worth it in most cases"
    assert judge(mixed.hosts[0]).words == "Mixed: check your model"
    assert answer(mixed).headline == "It depends: check your model on A100-SXM4-40GB"


def test_a_run_that_only_fails_has_no_answer_but_reasons() -> None:
    failures = [failure(case(batch_size=size), "oom") for size in (1, 4)]
    found = answer(comparison(outcome("t4", *failures)))
    assert found.headline == "Nothing could be compared on A100-SXM4-40GB"
    assert found.sentence == "None of 2 cases has times to compare: OOM 2."


def test_more_failures_than_results_are_too_little_to_say() -> None:
    records = [*measured(1.5), failure(case(MODELS[1])), failure(case(MODELS[2]))]
    run = comparison(outcome("a100", *records))
    assert judge(run.hosts[0]).words == "Too little was compared to say"


def test_one_case_is_answered_for_that_model_and_batch_only() -> None:
    found = answer(comparison(outcome("a100", measurement())))
    assert found.headline == "Yes, for ViT at batch 1 on A100-SXM4-40GB"
    assert "1.25× (1.25× to 1.25×)" in found.sentence


def test_a_run_without_hosts_has_no_answer() -> None:
    assert answer(comparison(of=plan())).headline == "No answer: this run has no cases"


def test_an_interrupted_run_answers_only_so_far() -> None:
    run = comparison(
        outcome("a100", *measured(1.5, 1.5), ending="interrupted"),
        of=plan([case(model) for model in MODELS[:3]]),
    )
    found = answer(run)
    assert found.headline == "So far, yes, in every case on A100-SXM4-40GB"
    assert found.sentence.startswith(
        "With mode default in float32, compiling is faster in all 2 compared cases; 1 not measured."
    )


def test_several_hosts_are_grouped_by_what_holds_for_them() -> None:
    run = comparison(
        outcome("big", *measured(1.5, 1.4), of=environment("NVIDIA H100 80GB HBM3")),
        outcome("mid", *measured(1.5, 1.4)),
        outcome("old", *measured(0.8, 0.7), of=environment("Tesla T4")),
    )
    assert answer(run).headline == (
        "Yes, in every case on H100 80GB HBM3 and A100-SXM4-40GB; not on T4"
    )


def test_hosts_with_the_same_gpu_are_told_apart_by_name() -> None:
    run = comparison(outcome("left", *measured(1.5, 1.4)), outcome("right", *measured(1.5, 1.4)))
    assert "A100-SXM4-40GB (left) and A100-SXM4-40GB (right)" in answer(run).headline


def test_the_published_table_gets_no_verdict() -> None:
    run = build_published()
    found = answer(run)
    assert found.headline.startswith("In 2023, published means were lower with torch.compile in")
    assert "no verdict" in found.sentence
    assert {judge(host).kind for host in run.hosts} == {"published"}


LONG_GPU = "NVIDIA H200 NVL 141 GB HBM3e engineering sample, rack 7, slot {}"


def test_a_headline_shortens_long_names_in_the_middle_and_keeps_them_apart() -> None:
    gpus = [LONG_GPU.format(slot) for slot in (1, 2)]
    found = answer(
        comparison(*(outcome(gpu[-1], *measured(1.5, 1.3), of=environment(gpu)) for gpu in gpus))
    )
    short = [f"H200 NVL 141 GB HBM3e engi…ack 7, slot {slot}" for slot in (1, 2)]
    assert [len(name) for name in short] == [40, 40]
    assert found.headline == f"Yes, in every case on {short[0]} and {short[1]}"
    assert found.in_full == found.headline.replace(short[0], gpus[0][7:]).replace(
        short[1], gpus[1][7:]
    )


def test_the_headline_of_one_case_shortens_its_model_and_its_host_too() -> None:
    found = answer(
        comparison(outcome("h", measurement(case("org/" + "x" * 90)), of=environment("g" * 90)))
    )
    assert len(found.headline) < 120
    assert "x" * 90 in found.in_full
    assert found.in_full.endswith("g" * 90)


def test_a_headline_without_long_names_has_no_second_one() -> None:
    assert answer(comparison(outcome("a100", *measured(1.5, 1.3)))).in_full == ""


def test_a_failed_case_is_described_by_its_reason() -> None:
    run = comparison(outcome("t4", failure(case(), "timeout")))
    assert describe(run.rows[0]).endswith("failed (timeout)")


@pytest.mark.parametrize(
    ("value_s", "words"),
    [
        (0.000123, "0.123 ms"),
        (0.00456, "4.56 ms"),
        (0.123, "123 ms"),
        (1.234, "1,234 ms"),
        (0.00999999, "10.0 ms"),
        (0.0, "0 ms"),
    ],
)
def test_milliseconds_have_three_significant_digits(value_s: float, words: str) -> None:
    assert wording.milliseconds(value_s).replace("\N{NO-BREAK SPACE}", " ") == words


@given(st.floats(1e-7, 1e7) | st.integers(1, 10**6).map(lambda number: number / 1000))
def test_numbers_are_rounded_once_and_never_in_powers_of_ten(value: float) -> None:
    rounded = f"{value:.2e}"
    decimals = max(0, 2 - int(rounded.partition("e")[2]))
    plain = f"{float(rounded) if decimals else value:,.{decimals}f}"
    assert wording.significant(value) == plain
    assert wording.significant(-value) == f"{wording.MINUS}{plain}"


@pytest.mark.parametrize(
    ("share", "words"), [(0.171, "+17 %"), (-0.0432, "−4.3 %"), (-0.0001, "0.0 %"), (0.0, "0.0 %")]
)
def test_percent_has_a_real_minus_sign_and_no_negative_zero(share: float, words: str) -> None:
    assert wording.percent(share).replace("\N{NO-BREAK SPACE}", " ") == words


def test_numbers_are_worded_for_readers() -> None:
    assert wording.speed_up(1.318) == "1.32×"
    assert wording.interval(Estimate(1.3, 1.25, 1.35), wording.speed_up) == "1.25× to 1.35×"
    assert wording.interval(Estimate(1.3, None, None), wording.speed_up) == ""
    assert wording.data_size(1_610_612_736) == "1.50\N{NO-BREAK SPACE}GiB"
    assert [wording.break_even(BreakEven(number)) for number in (None, 0, 1234)] == [
        "never",
        "at once",
        "1,234",
    ]


def test_text_from_hosts_loses_control_characters_overrides_and_secrets() -> None:
    hostile = (
        "a\u202eb\x1b[31m\x00 hf_abcdefghijklmnop /home/bob/x https://user:secret@example.org/"
    )
    cleaned = wording.redacted(hostile)
    assert cleaned == "ab[31m hf_… ~/x https://…@example.org/"


def test_a_rehearsal_is_called_one() -> None:
    rehearsal = comparison(outcome("a100", measurement(case(recipe="aot_eager"), noise=0.01)))
    found = answer(rehearsal)
    assert found.headline.startswith("A rehearsal, no result: yes, for ViT at batch 1 on A100")
    assert found.sentence.endswith("It was a rehearsal and is no result: backend aot_eager.")

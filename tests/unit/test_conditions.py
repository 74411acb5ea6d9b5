from __future__ import annotations

import csv
import io
import json

from harness.contract.records import Measurement
from orchestrator.compare.comparison import Comparison
from orchestrator.page.answer import answer
from orchestrator.page.exports import to_csv, to_json
from orchestrator.page.sections import cards
from orchestrator.publish.report import render
from orchestrator.records.outcomes import HostOutcome
from tests.factories import case, comparison, measurement, on_gpu, outcome

AA = case(recipe="eager")


def noisy_run() -> Comparison:
    aa = measurement(AA, eager_s=0.0107, compiled_s=0.0100)
    return comparison(outcome("a100", measurement(), measurement(case(batch_size=4)), aa))


def quiet_run() -> Comparison:
    return comparison(
        outcome("a100", on_gpu(measurement()), measurement(AA, eager_s=0.01, compiled_s=0.01))
    )


def test_a_noisy_host_says_so_on_its_card_and_in_the_answer() -> None:
    run = noisy_run()
    (card,) = cards(run)
    assert card.caveats[0].startswith("Noisy: eager against itself differed")
    assert "is noisy: only differences above 7 %" in answer(run).sentence.replace("\xa0", " ")
    assert "Noisy: " in render(run)


def test_a_single_case_on_a_noisy_host_says_so_too() -> None:
    aa = measurement(AA, eager_s=0.0107, compiled_s=0.0100)
    assert "is noisy" in answer(comparison(outcome("a100", measurement(), aa))).sentence


def noisy_host(name: str) -> HostOutcome:
    aa = [
        measurement(case(f"m{n}", recipe="eager"), eager_s=0.0107, compiled_s=0.01)
        for n in range(9)
    ]
    return outcome(name, measurement(), *aa)


def test_of_many_noisy_hosts_and_cases_a_few_are_named_and_the_rest_is_counted() -> None:
    run = comparison(*(noisy_host(f"h{n}") for n in range(20)))
    said = answer(run).sentence.replace("\xa0", " ")
    assert "(h0), A100-SXM4-40GB (h1), A100-SXM4-40GB (h2) and 17 more are noisy" in said
    assert said.endswith("only differences above 7 % count there.")
    assert "m2 b1: 1.070× to 1.070×; and 6 more)" in cards(run)[0].caveats[0]


def test_the_caveats_of_a_card_beyond_a_few_open_on_demand() -> None:
    records = [
        measurement(case("a"), stable=False), measurement(case("b"), graph_breaks=2),
        measurement(case("c"), blocks=2), on_gpu(measurement(case("d")), retaken=1),
        on_gpu(measurement(case("e")), clocks_mhz=(1410.0, 1200.0)),
    ]  # fmt: skip
    page = render(comparison(outcome("a100", *records, measurement(AA, eager_s=0.0107))))
    assert "and 2 more caveats</summary>" in page
    few = render(comparison(outcome("a100", *records)))
    assert "more caveat" not in few


def test_a_quiet_host_shows_its_noise_floor_and_no_warning() -> None:
    (card,) = cards(quiet_run())
    assert dict(card.facts)["Noise floor"].startswith("0.0")
    assert not any("oisy" in caveat for caveat in card.caveats)


def test_a_run_without_aa_cases_says_that_its_noise_is_unknown() -> None:
    assert "nobody timed eager against eager" in render(comparison(outcome("a100", measurement())))


def test_exports_tell_the_noise_floor_the_threshold_and_whether_a_host_is_noisy() -> None:
    (host,) = json.loads(to_json(noisy_run()))["hosts"]
    assert round(host["noise_floor"], 3) == round(host["threshold"], 3) == 0.07
    assert host["noisy"] is True
    (row, _) = csv.DictReader(io.StringIO(to_csv(noisy_run())))
    assert float(row["threshold"]) == host["threshold"]
    assert float(row["p_value_adjusted"]) < 0.05


def test_a_gpu_page_explains_what_limits_a_case_with_its_thresholds() -> None:
    page = render(quiet_run())
    assert "GPU-bound" in page
    assert "≥ 1.10 or <i>H</i> ≥ 0.95 <i>K</i>" in page
    assert "2.50 J → 2.25 J" in page.replace("\xa0", " ")


def test_a_cpu_page_says_that_it_has_wall_time_only() -> None:
    measured = measurement().model_copy(update={"clock": "cpu"})
    page = render(comparison(outcome("laptop", measured)))
    assert "wall only" in page
    assert "Wall time only" in page
    assert "Launch-bound" not in page


def test_disturbances_are_counted_on_the_card() -> None:
    disturbed = on_gpu(
        measurement(), clocks_mhz=(1410, 1300), throttle=("idle", "power cap"), retaken=2
    )
    early = on_gpu(measurement(case(batch_size=4), blocks=10), stopped_early=True)
    (card,) = cards(comparison(outcome("a100", disturbed, early)))
    text = " ".join(card.caveats).replace("\xa0", " ")
    assert "1 case ran eager and compiled at clocks over 1 % apart." in text
    assert "Taken again because throttling disturbed them: 2 blocks." in text
    assert "Clocks held down in 75 % of blocks: power cap." in text
    assert "1 case stopped early, once the interval was narrow enough: after 100 calls" in text


def test_a_start_with_filled_caches_has_a_break_even_of_its_own() -> None:
    warm = on_gpu(measurement(compile_s=30.0), warm_first_call_s=3.0)
    (row,) = comparison(outcome("a100", warm)).rows
    assert row.break_even is not None
    assert row.warm_break_even is not None
    assert row.break_even.inferences is not None
    assert row.warm_break_even.inferences is not None
    assert row.break_even.inferences - row.warm_break_even.inferences in {13499, 13500, 13501}
    assert "filled caches: 3.00 s" in render(comparison(outcome("a100", warm))).replace("\xa0", " ")


def test_what_the_compiler_left_out_is_told_with_its_reason() -> None:
    measured = on_gpu(measurement(), notes=("device-busy time is unknown: the call waits",))
    assert measured.compile_evidence is not None
    evidence = measured.compile_evidence.model_copy(
        update={
            "gates": ("max-autotune tries no GEMM templates here",),
            "cuda_graph_skips": 1,
            "cuda_graph_skip_reasons": ("skipping cudagraphs due to mutated inputs",),
        }
    )
    run = comparison(outcome("t4", measured.model_copy(update={"compile_evidence": evidence})))
    (card,) = cards(run)
    text = " ".join(card.caveats)
    assert "1 case: max-autotune tries no GEMM templates here" in text
    assert "1 case: device-busy time is unknown" in text
    assert (
        "1 case without a CUDA graph, at least in part: skipping cudagraphs due to mutated inputs"
        in text
    )
    assert "CUDA graphs skipped 1×" in render(run)


def with_graphs(recorded: int | None, launched: float | None) -> Measurement:
    measured = on_gpu(measurement(case(recipe="reduce-overhead")))
    assert measured.compile_evidence is not None
    changes = {"cuda_graphs": recorded, "cuda_graph_launches": launched}
    evidence = measured.compile_evidence.model_copy(update=changes)
    return measured.model_copy(update={"compile_evidence": evidence})


def test_a_mode_that_asks_for_cuda_graphs_and_recorded_none_is_told_on_card_and_row() -> None:
    run = comparison(outcome("t4", with_graphs(0, 0.0)))
    (card,) = cards(run)
    said = "1 case recorded no CUDA graph, although the mode asks for them."
    assert said in card.caveats
    assert "no CUDA graph recorded" in render(run)


def test_recorded_graphs_are_proof_and_told_beside_the_graphs_of_the_compiler() -> None:
    run = comparison(outcome("t4", with_graphs(2, 2.0)))
    (card,) = cards(run)
    assert not any("CUDA graph" in caveat for caveat in card.caveats)
    assert "2 CUDA graphs recorded" in render(run)
    assert "2.00 launched per call" in render(run)


def test_records_that_do_not_count_cuda_graphs_say_nothing_of_them() -> None:
    assert "CUDA graph" not in render(comparison(outcome("t4", with_graphs(None, None))))

from __future__ import annotations

import pytest

from harness.contract.records import Measurement
from orchestrator.changes import changes
from orchestrator.compare.comparison import Comparison
from tests.factories import case, comparison, environment, failure, measurement, outcome, plan

GPU = "NVIDIA A100-SXM4-40GB"


def run(*records: Measurement, host: str = "a100", gpu: str = GPU) -> Comparison:
    return comparison(outcome(host, *records, of=environment(gpu)))


def slowed(percent: float, noise: float = 0.01) -> changes.Changes:
    """The same case twice; only its compiled time changes."""
    after = measurement(compiled_s=0.008 * (1 + percent / 100), noise=noise)
    return changes.between(run(measurement(noise=noise)), run(after))


def test_a_slower_compiled_time_is_found_and_eager_stays_the_same() -> None:
    (match,) = slowed(10).compared
    assert match.compiled is not None
    assert match.compiled.direction == "higher"
    assert match.compiled.ratio.value == pytest.approx(1.1, rel=1e-6)
    assert match.eager is not None
    assert match.eager.direction == "same"
    assert match.speed_up is not None
    assert match.speed_up.direction == "lower"


def test_a_faster_compiled_time_is_lower() -> None:
    assert slowed(-10).compiled_counts == {"lower": 1}


def test_a_change_below_the_practical_threshold_is_the_same_however_certain() -> None:
    found = slowed(1, noise=0.0001)
    assert found.compiled_counts == {"same": 1}


def test_much_noise_makes_no_verdict() -> None:
    assert slowed(4, noise=0.3).compiled_counts == {"unclear": 1}


def test_too_few_blocks_are_unclear_and_say_so() -> None:
    few = measurement(compiled_s=0.02, blocks=4)
    (match,) = changes.between(run(measurement()), run(few)).compared
    assert match.compiled is not None
    assert match.compiled.direction == "unclear"
    assert match.compiled.ratio.low is None
    assert match.compiled.adjusted_p is None


def test_one_barely_significant_case_among_many_unchanged_is_no_discovery() -> None:
    alone = slowed(4, noise=0.05)
    others = [measurement(case(batch_size=size), noise=0.3) for size in range(2, 40)]
    among = changes.between(
        run(measurement(noise=0.05), *others),
        run(measurement(compiled_s=0.008 * 1.04, noise=0.05), *others),
    )
    assert alone.compiled_counts == {"higher": 1}
    assert among.compiled_counts == {"unclear": 39}


def test_hosts_are_matched_by_their_processor_and_not_by_their_name() -> None:
    found = changes.between(run(measurement(), host="monday"), run(measurement(), host="friday"))
    assert found.hosts == (("monday", "friday"),)
    other = changes.between(run(measurement()), run(measurement(), gpu="Tesla T4"))
    assert other.matches == ()
    assert len(other.only_before) == len(other.only_after) == 1


def test_two_hosts_with_the_same_processor_are_told_apart_by_name() -> None:
    both = comparison(outcome("a", measurement()), outcome("b", measurement(eager_s=0.02)))
    swapped = comparison(outcome("b", measurement(eager_s=0.02)), outcome("a", measurement()))
    assert changes.between(both, swapped).hosts == (("b", "b"), ("a", "a"))
    renamed = comparison(outcome("c", measurement()), outcome("d", measurement()))
    assert changes.between(both, renamed).matches == ()
    half = comparison(outcome("a", measurement()), outcome("c", measurement()))
    assert changes.between(both, half).hosts == (("a", "a"), ("b", "c"))


def test_mode_precision_and_batch_must_agree_and_what_does_not_is_listed() -> None:
    before = run(measurement(case(batch_size=1)), measurement(case(batch_size=4)))
    after = run(measurement(case(batch_size=1)), measurement(case("resnet-50")))
    found = changes.between(before, after)
    assert [match.after.case.case_id for match in found.matches] == ["vit-base/default/float32/b1"]
    assert [row.case.batch_size for row in found.only_before] == [4]
    assert [row.case.model for row in found.only_after] == ["resnet-50"]


def test_a_rehearsal_with_shrunken_models_matches_no_full_run() -> None:
    tiny = comparison(outcome("a100", measurement()), of=plan(size="tiny", weights="random"))
    assert changes.between(tiny, run(measurement())).matches == ()
    assert len(changes.between(tiny, tiny).matches) == 1


def test_a_case_that_fails_in_one_run_changed_its_outcome_and_is_not_compared() -> None:
    failed = comparison(outcome("a100", failure(case())))
    found = changes.between(run(measurement()), failed)
    assert found.compared == ()
    assert len(found.outcome_changed) == 1
    assert changes.between(failed, failed).outcome_changed == ()
    assert len(changes.between(failed, failed).without_times) == 1


def test_regressions_are_the_significant_slow_downs_beyond_the_limit_worst_first() -> None:
    before = run(*(measurement(case(batch_size=size), noise=0.01) for size in (1, 2, 4, 8)))
    times_s = {1: 0.0085, 2: 0.0096, 4: 0.0080, 8: 0.0064}
    after = run(
        *(
            measurement(case(batch_size=size), compiled_s=time_s, noise=0.01)
            for size, time_s in times_s.items()
        )
    )
    found = changes.between(before, after)
    sizes = [match.after.case.batch_size for match in changes.regressions(found, 5)]
    assert sizes == [2, 1]
    assert [m.after.case.batch_size for m in changes.regressions(found, 10)] == [2]
    assert changes.regressions(found, 25) == ()


def test_the_same_runs_give_the_same_changes() -> None:
    assert slowed(3, noise=0.05) == slowed(3, noise=0.05)

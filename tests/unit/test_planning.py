from __future__ import annotations

from pathlib import Path

import pytest

from harness.contract import catalogue, recipes
from harness.contract.plan import Plan
from harness.contract.recipes import MODES
from harness.contract.vocabulary import PRECISIONS, CaseProcesses, Size, Weights
from orchestrator import planning
from orchestrator.cli import options
from orchestrator.errors import UnknownNameError, UsageError
from orchestrator.planning import Choices


@pytest.mark.parametrize(
    "name",
    ["a/../../etc", "a//b", "a/b/c", "a\\b/c", "a/b@main", "a/%2e%2e", "https://a/b", "a/.b"],
)
def test_a_hub_id_with_a_path_or_an_address_in_it_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can be no model on the Hub"):
        planning.make(Choices(models=name))


def test_pickles_are_read_only_by_who_insists_and_older_plans_keep_their_ids() -> None:
    usual, insisting = planning.make(Choices()), planning.make(Choices(allow_pickle=True))
    assert not usual.pickled_weights
    assert "pickled_weights" not in usual.model_dump_json()
    assert insisting.pickled_weights
    assert insisting.plan_id != usual.plan_id
    assert Plan.model_validate_json(insisting.model_dump_json()) == insisting


def test_the_default_plan_is_the_published_page() -> None:
    plan = planning.make(Choices())
    assert len(list(plan.all_cases())) == 36
    assert plan.models == tuple(model.name for model in catalogue.CATALOGUE)
    assert plan.batch_sizes == (1, 4, 16)
    assert plan.recipes == ("default",)
    assert plan.protocol.iterations == 300
    assert plan.weights == "pretrained"
    assert plan.picture.url.endswith("000000039769.jpg")
    assert not plan.picture.fallback


def test_quick_needs_no_network_and_few_inferences() -> None:
    plan = planning.make(Choices(quick=True))
    assert {"resnet-50", "vit-base", "segformer-b0"} <= set(plan.models)
    assert plan.batch_sizes == (1,)
    assert plan.protocol.iterations == 30
    assert plan.weights == "random"
    assert plan.picture.fallback


def test_options_beside_quick_win() -> None:
    choices = Choices(quick=True, models="vit-base", iterations=5, batch_sizes="2")
    plan = planning.make(choices)
    assert plan.models == ("vit-base",)
    assert plan.protocol.iterations == 5
    assert plan.batch_sizes == (2,)


def test_a_hub_id_of_the_catalogue_means_its_short_name() -> None:
    assert planning.make(Choices(models="google/vit-base-patch16-224")).models == ("vit-base",)


def test_any_other_hub_id_is_taken_with_pretrained_weights_only() -> None:
    assert planning.make(Choices(models="acme/vision")).models == ("acme/vision",)
    with pytest.raises(UsageError, match="random weights exist for those only"):
        planning.make(Choices(models="acme/vision", weights="random"))


def test_a_local_folder_is_taken_by_its_full_path(tmp_path: Path) -> None:
    assert planning.make(Choices(models=str(tmp_path))).models == (str(tmp_path.resolve()),)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        (Choices(models="vit-bas"), "Did you mean vit-base?"),
        (Choices(models="../secrets/model"), "unknown model"),
        (Choices(models=","), "no model is named"),
        (Choices(models="vit-base,vit-base"), "given twice"),
        (Choices(models="vit-base,google/vit-base-patch16-224"), "given twice"),
        (Choices(modes="reduce_overhead"), "Did you mean reduce-overhead?"),
        (Choices(precisions="fp16"), 'unknown precision "fp16"'),
        (Choices(batch_sizes="0"), 'batch size "0" is not possible'),
        (Choices(batch_sizes="-1"), "is not possible"),
        (Choices(batch_sizes="4,four"), 'batch size "four"'),
        (Choices(batch_sizes="1,1"), "given twice"),
        (Choices(batch_sizes="²"), "is not possible"),
        (Choices(batch_sizes="9" * 5000), "is not possible"),
        (Choices(iterations=0), "--iterations 0 is not possible"),
        (Choices(iterations=-3), "--iterations -3 is not possible"),
        (Choices(size="tiny"), "--weights random"),
        (Choices(image="no-such-picture.jpg"), "cannot read the picture"),
    ],
)
def test_what_cannot_be_planned_gets_one_sentence(choices: Choices, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        planning.make(choices)
    assert sentence in f"{caught.value.sentence} {caught.value.advice}"
    assert caught.value.exit_code == 2


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(UnknownNameError) as caught:
        planning.make(Choices(modes="fast"))
    assert "max-autotune" in caught.value.advice


def test_more_cases_than_anybody_can_measure_are_refused_before_they_are_made() -> None:
    sizes = ",".join(str(size) for size in range(1, 10_002))
    with pytest.raises(UsageError, match="at most 100,000"):
        planning.make(Choices(batch_sizes=sizes))


def test_a_picture_file_travels_inside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG, nearly")
    plan = planning.make(Choices(image=str(tmp_path / "cat.png")))
    assert plan.picture.content_base64 == "iVBORywgbmVhcmx5"
    assert plan.picture.url == "cat.png"


def test_the_plans_id_follows_its_content_and_survives_a_resume() -> None:
    plan = planning.make(Choices(quick=True))
    assert plan.plan_id == planning.make(Choices(quick=True)).plan_id
    assert plan.plan_id != planning.make(Choices(quick=True, iterations=31)).plan_id
    resumed = plan.model_copy(update={"skip": ("vit-base/default/float32/b1",)})
    assert Plan.model_validate_json(resumed.model_dump_json()).plan_id == plan.plan_id


@pytest.mark.parametrize(
    ("spelled_out", "contract"),
    [
        (options.WeightsName, Weights),
        (options.SizeName, Size),
        (options.CaseProcessesName, CaseProcesses),
    ],
)
def test_the_options_offer_what_the_contract_knows(
    spelled_out: type[options.WeightsName], contract: object
) -> None:
    from typing import get_args

    assert [choice.value for choice in spelled_out] == list(get_args(contract))


def test_every_backend_that_can_be_chosen_has_each_mode() -> None:
    for backend in options.BackendName:
        chosen = planning.make(Choices(modes=",".join(MODES), backend=backend.value))
        assert tuple(recipes.named(name).mode for name in chosen.recipes) == MODES
        rehearsed = {recipes.named(name).is_rehearsal for name in chosen.recipes}
        assert rehearsed == {backend == recipes.AOT_EAGER}


def test_the_help_names_every_mode_and_precision() -> None:
    from typer.testing import CliRunner

    from orchestrator.cli.cli import app

    text = " ".join(CliRunner().invoke(app, ["--help"], terminal_width=300).output.split())
    for name in (*MODES, *PRECISIONS):
        assert name in text


def test_the_noise_floor_is_measured_on_the_lightest_and_the_heaviest_case() -> None:
    light, heavy = planning.make(Choices()).noise_floor
    assert light.case_id == "resnet-50/eager/float32/b1"
    assert heavy.case_id == "maskformer-swin-base/eager/float32/b16"


def test_one_a_a_case_is_enough_for_a_quick_run_and_for_a_single_case() -> None:
    assert len(planning.make(Choices(quick=True)).noise_floor) == 1
    assert len(planning.make(Choices(models="vit-base", batch_sizes="4")).noise_floor) == 1


def test_eager_is_no_mode_to_choose() -> None:
    with pytest.raises(UsageError, match="every mode is compared with eager already"):
        planning.make(Choices(modes="default,eager"))


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.5 %", 0.005), (" 25% ", 0.25)])
def test_until_is_a_percentage(text: str, share: float) -> None:
    plan = planning.make(Choices(until=text, warm_cache=True))
    assert plan.protocol.until == pytest.approx(share)
    assert plan.protocol.warm_cache
    assert planning.make(Choices(quick=True, until=text)).protocol.until == plan.protocol.until


@pytest.mark.parametrize("text", ["1", "0%", "-1%", "100%", "nan%", "one", "%", ""])
def test_until_without_a_sensible_percentage_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--until"):
        planning.make(Choices(until=text))


def test_with_until_blocks_are_half_as_long() -> None:
    assert planning.protocol(300, quick=False).max_blocks == 30
    assert planning.protocol(300, quick=False, until="1%").max_blocks == 60
    assert planning.protocol(None, quick=True, until="1%").max_blocks == 60


def test_gpus_that_share_cases_measure_each_once_noise_floor_and_resumed_run_included() -> None:
    plan = planning.make(Choices(models="vit-base,resnet-50", weights="random"))
    measured = (plan.noise_floor[0].case_id, "vit-base/default/float32/b4")
    rest = plan.model_copy(update={"skip": measured})
    parts = planning.share_out(rest, 2, lambda case: case.batch_size)
    shared = [case.case_id for part in parts for case in part.attempts()]
    assert sorted(shared) == sorted(case.case_id for case in rest.attempts())
    assert all(part.plan_id == plan.plan_id for part in parts)


def test_how_case_processes_begin_is_part_of_a_plan_only_where_it_was_chosen() -> None:
    for quick in (False, True):
        usual = planning.make(Choices(quick=quick, weights="random"))
        forked = planning.make(Choices(quick=quick, weights="random", case_processes="fork"))
        assert "case_processes" not in usual.model_dump_json()
        assert forked.protocol.case_processes == "fork"
        assert forked.plan_id != usual.plan_id

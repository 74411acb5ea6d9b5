from __future__ import annotations

import pytest
import torch

from harness.contract.vocabulary import Precision
from harness.measure import verify
from harness.measure.verify import DegenerateOutputError, DisagreementError, Outputs


def outputs(scale: float = 1.0, noise: float = 0.0) -> Outputs:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 10, generator=generator, dtype=torch.float64)
    return {"logits": scale * (logits + noise * torch.ones_like(logits))}


def no_reference() -> None:
    raise AssertionError("eager alone settles this")


def test_equal_outputs_agree_without_a_float64_run() -> None:
    agreement = verify.agree(outputs(), outputs(), outputs(), "float32", no_reference)
    assert agreement.relative_error == 0
    assert agreement.reference == "eager"


def test_a_difference_beyond_the_tolerance_is_a_disagreement_with_its_size() -> None:
    with pytest.raises(DisagreementError, match="logits differs from eager by"):
        verify.agree(outputs(), outputs(), outputs(noise=0.05), "float32", lambda: None)


def test_half_precision_tolerates_more() -> None:
    close = outputs(noise=0.008)
    with pytest.raises(DisagreementError):
        verify.agree(outputs(), outputs(), close, "float32", lambda: None)
    verify.agree(outputs(), outputs(), close, "bfloat16", no_reference)


def test_compiled_may_differ_where_eager_itself_is_as_far_from_float64() -> None:
    eager, compiled = outputs(noise=0.01), outputs(noise=-0.01)
    agreement = verify.agree(eager, eager, compiled, "float32", lambda: outputs())
    assert agreement.reference == "float64"


def test_compiled_that_is_further_from_float64_than_eager_disagrees() -> None:
    with pytest.raises(DisagreementError):
        verify.agree(
            outputs(noise=0.001), outputs(), outputs(noise=-0.01), "float32", lambda: outputs()
        )


@pytest.mark.parametrize("eager_noise", [0.2, 1.0, 500.0])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_float64_run_that_eager_itself_misses_settles_nothing(
    eager_noise: float, precision: Precision
) -> None:
    eager, compiled = outputs(noise=eager_noise), outputs(noise=-eager_noise)
    with pytest.raises(DisagreementError, match="logits differs from eager"):
        verify.agree(eager, eager, compiled, precision, lambda: outputs())


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 0.0])
def test_a_float64_run_that_gives_no_numbers_settles_nothing(value: float) -> None:
    nothing = {"logits": torch.full((2, 10), value, dtype=torch.float64)}
    with pytest.raises(DisagreementError):
        verify.agree(outputs(), outputs(), outputs(noise=0.05), "float32", lambda: nothing)


def test_masks_that_eager_itself_gets_wrong_settle_nothing() -> None:
    eager, compiled = rows_of_a_mask(500), rows_of_a_mask(450)
    with pytest.raises(DisagreementError, match="masks overlap"):
        verify.agree(eager, eager, compiled, "float32", lambda: rows_of_a_mask(100))


def test_outputs_of_another_shape_or_name_disagree() -> None:
    short = {"logits": outputs()["logits"][:, :5]}
    with pytest.raises(DisagreementError, match="shapes differ"):
        verify.agree(outputs(), outputs(), short, "float32", lambda: None)
    with pytest.raises(DisagreementError, match="differ in kind"):
        verify.agree(outputs(), outputs(), {}, "float32", lambda: None)


def test_compiled_output_that_is_not_finite_disagrees() -> None:
    broken = {"logits": torch.full((2, 10), torch.nan, dtype=torch.float64)}
    with pytest.raises(DisagreementError, match="not finite"):
        verify.agree(outputs(), outputs(), broken, "float32", lambda: None)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.full((2, 10), torch.nan),
        torch.full((2, 10), torch.inf),
        torch.zeros(2, 10),
        torch.full((2, 10), 3.0),
        1e-23 * torch.randn(2, 10),
    ],
)
def test_outputs_that_cannot_disagree_are_refused(tensor: torch.Tensor) -> None:
    with pytest.raises(DegenerateOutputError):
        verify.refuse_degenerate(verify.flatten({"logits": tensor}))


def test_a_model_without_floating_point_outputs_is_refused() -> None:
    with pytest.raises(DegenerateOutputError, match="no floating-point"):
        verify.refuse_degenerate(verify.flatten({"ids": torch.ones(3, dtype=torch.int64)}))


def test_nested_outputs_are_named_and_copied() -> None:
    inner = torch.ones(2)
    flat = verify.flatten({"hidden": (inner, [inner]), "none": None})
    assert list(flat) == ["hidden.0", "hidden.1.0"]
    inner += 1
    assert flat["hidden.0"].tolist() == [1, 1]


def test_a_model_that_cannot_run_in_float64_has_no_reference() -> None:
    class Stubborn(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.float() @ torch.ones(2, 2, dtype=torch.float64)

    assert verify.float64_outputs(Stubborn(), {"x": torch.ones(2, 2)}) is None
    linear = torch.nn.Linear(2, 2)
    assert verify.float64_outputs(linear, {"input": torch.ones(1, 2)}) is not None
    assert linear.weight.dtype == torch.float32


def test_a_classifier_is_asked_whether_every_image_gets_the_same_class() -> None:
    agreement = verify.agree(outputs(), outputs(), outputs(scale=1.0001), "float32", no_reference)
    assert agreement.top1_agrees is True
    near = {"logits": torch.tensor([[1.0, 1.0001, 0.0]], dtype=torch.float64)}
    swapped = {"logits": torch.tensor([[1.0001, 1.0, 0.0]], dtype=torch.float64)}
    assert verify.agree(near, near, swapped, "float32", no_reference).top1_agrees is False


def test_a_detector_has_no_top_1_and_no_masks() -> None:
    boxes = {"logits": torch.randn(2, 100, 91, dtype=torch.float64)}
    agreement = verify.agree(boxes, boxes, boxes, "float32", no_reference)
    assert agreement.top1_agrees is None
    assert agreement.mask_iou is None


def with_a_strong_rival(behind: float) -> Outputs:
    """Ten thousand classes, of which the second is so little behind the first."""
    logits = outputs()["logits"].repeat(1, 1000)
    logits[:, 0], logits[:, 1] = 10.0, 10.0 - behind
    return {"logits": logits}


def test_another_class_is_a_disagreement_however_close_all_logits_are_on_average() -> None:
    eager, compiled = with_a_strong_rival(0.02), with_a_strong_rival(-0.02)
    with pytest.raises(DisagreementError, match="another class to 2 of the images"):
        verify.agree(eager, eager, compiled, "float32", lambda: None)


def test_another_class_passes_where_float64_has_it_as_well() -> None:
    eager, compiled = with_a_strong_rival(0.02), with_a_strong_rival(-0.02)
    agreement = verify.agree(eager, eager, compiled, "float32", lambda: compiled)
    assert (agreement.reference, agreement.top1_agrees) == ("float64", False)


def rows_of_a_mask(rows: int) -> Outputs:
    """A mask of so many of 1,000 rows that are all nearly undecided: values differ by 2e-9."""
    masks = torch.full((1, 1, 1000, 20), -1e-9, dtype=torch.float64)
    masks[:, :, :rows] = 1e-9
    solid = torch.ones(1, 1, 1000, 20, dtype=torch.float64)
    return {"masks_queries_logits": torch.cat([masks, solid], dim=1)}


def test_masks_are_held_against_each_other_by_their_intersection_over_union() -> None:
    eager = rows_of_a_mask(500)
    agreement = verify.agree(eager, eager, rows_of_a_mask(490), "float32", no_reference)
    assert agreement.mask_iou == pytest.approx(1490 / 1500)


def test_masks_that_overlap_too_little_are_a_disagreement_however_close_their_values_are() -> None:
    eager, compiled = rows_of_a_mask(500), rows_of_a_mask(480)
    with pytest.raises(DisagreementError, match=r"overlap those of eager by 98\.7%"):
        verify.agree(eager, eager, compiled, "float32", lambda: None)


def test_masks_may_differ_as_much_as_those_of_eager_do_from_float64() -> None:
    eager, compiled = rows_of_a_mask(500), rows_of_a_mask(480)
    agreement = verify.agree(eager, eager, compiled, "float32", lambda: rows_of_a_mask(490))
    assert agreement.reference == "float64"
    with pytest.raises(DisagreementError):
        verify.agree(eager, eager, compiled, "float32", lambda: rows_of_a_mask(500))


def test_a_segmenter_has_one_mask_per_class() -> None:
    eager = torch.zeros(1, 3, 50, 50, dtype=torch.float64)
    eager[:, 0], eager[:, 1, 25:] = 0.5, 1.0
    eager[:, 2, 0, 0] = 0.5 + 1e-9  # a class of one pixel, lost in compiled
    compiled = eager.clone()
    compiled[:, 2, 0, 0] = 0.5 - 1e-9
    agreement = verify.agree(
        {"logits": eager}, {"logits": eager}, {"logits": compiled}, "float32", no_reference
    )
    assert agreement.mask_iou == pytest.approx(2499 / 2501)


def test_the_worse_of_two_agreements_has_the_worse_error_classes_and_masks() -> None:
    good = verify.agree(outputs(), outputs(), outputs(), "float32", no_reference)
    bad = good.model_copy(update={"relative_error": 1e-4, "top1_agrees": True, "mask_iou": 1.0})
    other = good.model_copy(update={"top1_agrees": False, "mask_iou": 0.995})
    for worse in (verify.worse(bad, other), verify.worse(other, bad)):
        assert (worse.relative_error, worse.top1_agrees, worse.mask_iou) == (1e-4, False, 0.995)

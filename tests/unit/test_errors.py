from __future__ import annotations

from orchestrator.errors import UnknownNameError


def test_an_unknown_name_offers_the_nearest_match() -> None:
    error = UnknownNameError("model", "resnet50", ["vit-base", "resnet-50"])
    assert error.sentence == 'unknown model "resnet50". Did you mean resnet-50?'
    assert error.advice == "There is: vit-base, resnet-50."


def test_a_name_that_resembles_nothing_gets_no_guess() -> None:
    assert "mean" not in UnknownNameError("model", "xyz", ["vit-base"]).sentence


def test_capital_letters_make_no_name_another() -> None:
    assert "Did you mean a100?" in UnknownNameError("host", "A100", ["v100", "a100"]).sentence

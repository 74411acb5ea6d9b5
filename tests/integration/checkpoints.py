"""Tiny checkpoints as the Hub would have them. Loads torch when one is made, not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.contract import catalogue


def save(name: str, folder: Path) -> Path:
    """A checkpoint of the tiny variant of a model of the catalogue."""
    import transformers

    from harness.models import offline

    model = catalogue.find(name)
    assert model is not None
    offline.module(model, model.tiny, seed=1).save_pretrained(folder)
    processor = getattr(transformers, model.tiny.processor)(**model.tiny.processing)
    if model.texts:
        processor = transformers.OwlViTProcessor(image_processor=processor, tokenizer=_spelling())
    processor.save_pretrained(folder)
    return folder


def _spelling() -> Any:
    """A tokenizer with CLIP's rules and a vocabulary of letters."""
    import transformers

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{x}</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16)

"""Where a model of the Hub has its weights as safetensors, which nothing can be hidden in.

On its main branch or, for many older models, in a pull request that the Hub's own bot opened and
nobody merged. transformers takes that one, too, but where there is none it sends name and token to
a service that makes one: this module asks nobody but the Hub, and writes nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn
from unittest import mock

import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from transformers.utils.hub import cached_file

# As transformers.safetensors_conversion has them.
FILES: Final = ("model.safetensors", "model.safetensors.index.json")
BOT: Final = "SFconvertbot"
TITLE: Final = "Adding `safetensors` variant of this model"


class PickleRefusedError(Exception):
    """A checkpoint led to a pickle."""


@contextmanager
def alone() -> Iterator[None]:
    """Read no pickle meanwhile, by whatever way a checkpoint leads to one. Asked for safetensors
    alone, transformers still takes what the index of safetensors names, under any name."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise PickleRefusedError

    with mock.patch.object(torch, "load", refuse):
        yield


def commit(model: str, main: str) -> str:
    """The commit of a model that has safetensors: that of its main branch, or one on top of it.

    Args:
        model: its id on the Hub.
        main: the commit of its main branch.
    Raises: EntryNotFoundError where there is neither; what the Hub's client raises.
    """
    if any(_has(model, main, file) for file in FILES):
        return main
    converted = _converted(model, main)
    if converted is None:
        raise EntryNotFoundError(FILES[0])
    return converted


def _has(model: str, revision: str, file: str) -> bool:
    """Whether a file is there; it is in the cache then."""
    path = cached_file(model, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    return path is not None


def _converted(model: str, main: str) -> str | None:
    """The bot's commit on this very state of main. The Hub vouches for who opened what."""
    api = HfApi()
    try:
        for request in api.get_repo_discussions(
            model, author=BOT, discussion_type="pull_request", discussion_status="open"
        ):
            if request.author == BOT and request.title == TITLE and request.git_reference:
                made, *before = api.list_repo_commits(model, revision=request.git_reference)
                if before and before[0].commit_id == main:
                    return str(made.commit_id)
    except HfHubHTTPError:  # a model can be without discussions
        return None
    return None

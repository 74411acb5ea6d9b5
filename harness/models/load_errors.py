"""What can go wrong while a model is loaded, as one sentence each: what, which model, what next.

    LoadError               the model exists for the user, but not for us, or not in one piece
    UnsupportedModelError   it was found and does something that this harness does not measure

Lack of memory or of disk space is neither: those pass through untouched.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Final

from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    StrictDataclassError,
)
from safetensors import SafetensorError

from harness.models.safe_weights import PickleRefusedError


class LoadError(Exception):
    """Model, processor or weights could not be loaded."""


class UnsupportedModelError(Exception):
    """The model does none of the tasks that are measured."""


# The base of whatever the Hub's HTTP client raises (httpx or its successor, by version).
_TransportError: Final[type[Exception]] = next(
    base
    for base in HfHubHTTPError.__mro__
    if issubclass(base, Exception) and not base.__module__.startswith("huggingface_hub")
)
_UNREACHABLE: Final = (LocalEntryNotFoundError, OfflineModeIsEnabled, _TransportError)
_DAMAGED: Final = (SafetensorError, UnpicklingError)
_LOADING_ERRORS: Final = (
    OSError,
    ValueError,
    ImportError,
    KeyError,
    EOFError,
    StrictDataclassError,
    EntryNotFoundError,
    PickleRefusedError,
    _TransportError,
    *_DAMAGED,
)
_OF_THE_MACHINE: Final = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)
_MAX_REASON_CHARACTERS: Final = 300
_FILES: Final = {
    "configuration": "config.json",
    "weights": "model.safetensors",
    "processor": "preprocessor_config.json or processor_config.json",
}
# transformers raises a plain OSError for what is absent.
_ABSENT: Final = (
    "does not appear to have a file",
    "Error no file named",
    "Can't load image processor",
    "Can't load feature extractor",
    "Unrecognized processing class",
)
_PICKLES: Final = (
    ", or load pytorch_model.bin, which can be made to run its author's code, by --allow-pickle"
)
_LOG_IN: Final = "log in on the measuring machine (hf auth login, or set HF_TOKEN)"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a model comes from: a Hub id or a folder."""

    name: str
    is_folder: bool
    has_random_weights: bool

    @contextmanager
    def explaining(self, part: str) -> Iterator[None]:
        """Turn what loading `part` of this model raises into a LoadError."""
        try:
            yield
        except _LOADING_ERRORS as error:
            links = chain(error)
            if any(getattr(link, "errno", None) in _OF_THE_MACHINE for link in links):
                raise
            raise LoadError(self._sentence(part, links)) from error
        except RuntimeError as error:
            # torch's lack of memory is a RuntimeError, too.
            if not _is_unfit_weights(error):
                raise
            raise LoadError(self._damaged(part)) from error

    def _sentence(self, part: str, links: list[BaseException]) -> str:
        return (
            self._about_access(part, links)
            or self._about_content(part, links)
            or f"the {part} of {self.name} could not be loaded: {_reason(links[0])}"
        )

    def _about_access(self, part: str, links: list[BaseException]) -> str | None:
        name = self.name
        if _any(links, GatedRepoError):
            page = f"{constants.ENDPOINT}/{name}"
            return f"{name} is gated: accept its licence at {page}, then {_LOG_IN}"
        if _any(links, RepositoryNotFoundError):
            return (
                f"the Hub has no model {name}: check the spelling or, if it is private, {_LOG_IN}"
            )
        if _any(links, *_UNREACHABLE) and not _any(links, HfHubHTTPError):
            alternative = ", or use --weights random, which needs no network"
            return (
                f"the {part} of {name} could not be downloaded from {constants.ENDPOINT}: "
                f"check this machine's connection{alternative if self.has_random_weights else ''}"
            )
        return None

    def _about_content(self, part: str, links: list[BaseException]) -> str | None:
        name, said = self.name, str(links[0])
        if _any(links, PickleRefusedError):
            return (
                f"the weights of {name} are a pickle under another name, which can be made to run "
                "its author's code: choose another model, or insist by --allow-pickle"
            )
        if _any(links, *_DAMAGED) or (part == "weights" and _is_cut_short(links[0])):
            return self._damaged(part)
        if _any(links, ImportError):
            return f"{name} needs a package that the harness lacks: {_reason(links[0])}"
        if _any(links, EntryNotFoundError) or any(text in said for text in _ABSENT):
            pickles = _PICKLES if part == "weights" else ""
            return f"{name} has no {_FILES[part]}: choose a model that is complete{pickles}"
        if "custom code" in said:
            return (
                f"{name} comes with code of its own, which the harness never runs: choose another"
            )
        return None

    def _damaged(self, part: str) -> str:
        cache = constants.HF_HUB_CACHE
        advice = "save it again" if self.is_folder else f"delete it from {cache} and try again"
        return f"the {part} of {self.name} do not fit its configuration, or are damaged: {advice}"


def _any(links: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in links)


def _is_cut_short(error: BaseException) -> bool:
    """How torch's unpickler and its memory map fail, by where a file ends."""
    return isinstance(error, EOFError | KeyError) or getattr(error, "errno", 0) == errno.EINVAL


def _is_unfit_weights(error: RuntimeError) -> bool:
    return any(text in str(error) for text in ("ignore_mismatched_sizes", "PytorchStreamReader"))


def _reason(error: BaseException) -> str:
    """The first sentence, on one line."""
    return " ".join(str(error).split()).partition(". ")[0][:_MAX_REASON_CHARACTERS]


def chain(error: BaseException) -> list[BaseException]:
    """An exception and what it was raised from, outermost first."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links

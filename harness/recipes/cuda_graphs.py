"""Whether Inductor used CUDA graphs: how many it recorded, and why it left parts of a model out.

That no skip was counted proves nothing: a model that Inductor splits around an operation on the
host counts none, and a mode that asks for graphs may record none at all. So recorded graphs are
counted where Inductor keeps them, in the trees of `torch._inductor.cudagraph_trees`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import torch

# Decisions against a graph, while compiling and at run time, are warnings somewhere below this.
_WARNINGS: Final = "torch._inductor"
# Where Inductor says which operations split a model into parts: up to torch 2.10 as a performance
# hint, which reaches no other logger, and since as debugging output. Both speak while compiling.
_SPLITS: Final = ("torch._inductor.utils.__perf_hints", "torch._inductor.scheduler.__cudagraphs")
NO_REASON: Final = "torch recorded no CUDA graph, and gave no reason"


def recorded(device: torch.device) -> int:
    """How many graphs the process has recorded for a GPU so far."""
    from torch._inductor import cudagraph_trees  # large, and loaded anyway where there are graphs

    manager = cudagraph_trees.get_manager(device.index or 0, create_if_none_exists=False)
    return 0 if manager is None else count(manager.roots.values())


def count(levels: Iterable[Iterable[Any]]) -> int:
    """The nodes of trees, each a CUDAGraphNode of torch, from the lists of their roots."""
    nodes = [node for level in levels for node in level]
    return len(nodes) + sum(count(node.children.values()) for node in nodes)


def reasons(recorded: int | None, heard: Sequence[str]) -> tuple[str, ...]:
    """Why parts of a model, or all of it, run without a graph: never nothing where none was
    recorded although the mode asks for them."""
    return tuple(heard) or ((NO_REASON,) if recorded == 0 else ())


@contextmanager
def skips(*, asked_for: bool = True) -> Iterator[list[str]]:
    """The reasons for which Inductor decides against CUDA graphs meanwhile, each once.

    Its counter has no reasons, and its metrics lack those of decisions that fall at run time; its
    log has all of them. Where no graphs are asked for, it says so of every operation: nothing is
    listened to then.
    """
    kept: list[str] = []
    if not asked_for:
        yield kept
        return
    with ExitStack() as stack:
        stack.enter_context(_heard(_WARNINGS, logging.WARNING, _Collector(kept, _of_a_graph)))
        for name in _SPLITS:
            stack.enter_context(_overheard(name, _Collector(kept, _of_a_split)))
        yield kept


class _Collector(logging.Handler):
    """Keeps what `extract` finds in messages, each once."""

    def __init__(self, kept: list[str], extract: Callable[[str], str]) -> None:
        super().__init__()
        self._kept, self._extract = kept, extract

    def emit(self, record: logging.LogRecord) -> None:
        reason = self._extract(record.getMessage())
        if reason and reason not in self._kept:
            self._kept.append(reason)


def _of_a_graph(message: str) -> str:
    return message if "cudagraph" in message.lower() else ""


def _of_a_split(message: str) -> str:
    """Of `buf3: reason=DeviceCopy ops, ir=…` and of `cudagraph partition due to DeviceCopy ops`:
    without names of buffers, which would make every line its own reason."""
    _, found, reason = message.partition("reason=")
    if found:
        return f"split because of {reason.partition(', ir=')[0]}"
    return message if message.startswith("cudagraph partition due to") else ""


@contextmanager
def _heard(name: str, level: int, handler: logging.Handler) -> Iterator[None]:
    """A logger with one handler more."""
    handler.setLevel(level)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _overheard(name: str, handler: logging.Handler) -> Iterator[None]:
    """A logger that tells everything, to this handler alone."""
    logger = logging.getLogger(name)
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        with _heard(name, logging.DEBUG, handler):
            yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagates

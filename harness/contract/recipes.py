"""Recipes: the ways in which torch makes a model faster, and what each is capable of.

Plain data that either half can load. Whoever needs to know what a recipe does asks for its
capability, and never for its name. To add one is to add a line here and its name to the closed sets
of the record format (`vocabulary.CompileMode`, `Backend`), for a backend also to the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from harness.contract.vocabulary import Backend, Mode


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a model faster.

    `options` are arguments of `torch.compile`; None leaves the model as it is. `generates_code`
    says that kernels are written for the model: what is compiled can run faster, it needs a C++
    compiler on a CPU, and the launches of its kernels can be counted. Numbers of a recipe without
    it are a rehearsal. `records_cuda_graphs` says that a GPU's launches are recorded and replayed,
    `tunes` that variants of kernels are tried on the device before one is chosen.
    """

    name: str
    backend: Backend
    options: Mapping[str, Any] | None = field(hash=False)
    generates_code: bool = False
    records_cuda_graphs: bool = False
    tunes: bool = False


def _inductor(mode: Mode, *, graphs: bool = False, tunes: bool = False) -> Recipe:
    return Recipe(mode, "inductor", {"mode": mode}, True, graphs, tunes)


# What both variants of an A/A case are.
EAGER: Final = Recipe("eager", "inductor", None)
RECIPES: Final = (
    _inductor("default"),
    _inductor("reduce-overhead", graphs=True),
    _inductor("max-autotune", graphs=True, tunes=True),
    _inductor("max-autotune-no-cudagraphs", tunes=True),
    Recipe("aot_eager", "aot_eager", {"backend": "aot_eager"}),
)
_BY_NAME: Final = {recipe.name: recipe for recipe in RECIPES}


def of(mode: Mode, backend: Backend) -> Recipe:
    """The recipe that a mode stands for. The modes are Inductor's; other backends have none, and
    do the same in each."""
    if mode == EAGER.name:
        return EAGER
    return _BY_NAME[mode if backend == "inductor" else backend]


def generates_code(backend: str) -> bool:
    """Whether recipes of a backend write kernels; not, as far as anybody knows, for one from a
    newer version."""
    return any(recipe.generates_code for recipe in RECIPES if recipe.backend == backend)

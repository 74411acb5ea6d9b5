"""Recipes: the ways in which torch makes a model faster, and what each is capable of.

Plain data that either half can load. Whoever needs to know what a recipe does asks for its
capability, and never for its name. To add one that `torch.compile` knows is to add a line to
`_REAL`: plans, the command line and the page take it from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a model faster.

    `name` is what records call it, `mode` what --modes and the page call it: the same, but for a
    rehearsal, which has the mode of what it rehearses. `options` are arguments of `torch.compile`;
    None leaves the model as it is.

    `generates_code` says that kernels are written for the model: it needs a C++ compiler on a CPU,
    and the launches of its kernels can be counted. `records_cuda_graphs` says that a GPU's launches
    are recorded and replayed, `needs_cuda_graphs` that it does nothing else, `tunes` that variants
    of kernels are tried on the device before one is chosen. The numbers of a rehearsal are no
    results: it traces a model and checks it, and makes nothing faster.
    """

    name: str
    mode: str
    backend: str
    options: Mapping[str, Any] | None = field(hash=False)
    generates_code: bool = False
    records_cuda_graphs: bool = False
    needs_cuda_graphs: bool = False
    tunes: bool = False
    is_rehearsal: bool = False


DEFAULT: Final = "default"
INDUCTOR: Final = "inductor"
AOT_EAGER: Final = "aot_eager"
# How a plan lists several backends.
SEPARATOR: Final = ", "
UNKNOWN: Final = "this checkout has no recipe"
_SHOWN: Final = 60


def _inductor(mode: str, *, graphs: bool = False, tunes: bool = False) -> Recipe:
    return Recipe(
        mode,
        mode,
        INDUCTOR,
        {"mode": mode},
        generates_code=True,
        records_cuda_graphs=graphs,
        tunes=tunes,
    )


def _rehearsal(of: Recipe) -> Recipe:
    """What traces a model in the place of a recipe: the same for each, under a name of its own."""
    name = AOT_EAGER if of.mode == DEFAULT else f"{AOT_EAGER}+{of.mode}"
    return Recipe(name, of.mode, AOT_EAGER, {"backend": AOT_EAGER}, is_rehearsal=True)


# What both variants of an A/A case are: it shows the noise of a machine.
EAGER: Final = Recipe("eager", "eager", INDUCTOR, None)
_REAL: Final = (
    _inductor(DEFAULT),
    _inductor("reduce-overhead", graphs=True),
    _inductor("max-autotune", graphs=True, tunes=True),
    _inductor("max-autotune-no-cudagraphs", tunes=True),
    Recipe(
        "cudagraphs",
        "cudagraphs",
        "cudagraphs",
        {"backend": "cudagraphs"},
        records_cuda_graphs=True,
        needs_cuda_graphs=True,
    ),
)
RECIPES: Final = (*_REAL, *map(_rehearsal, _REAL))
MODES: Final = tuple(recipe.mode for recipe in _REAL)
_BY_NAME: Final = {recipe.name: recipe for recipe in (EAGER, *RECIPES)}


def named(name: str) -> Recipe:
    """Raises: ValueError: this checkout has no recipe of that name."""
    if name not in _BY_NAME:
        raise ValueError(f"{UNKNOWN} {name[:_SHOWN]!r}")
    return _BY_NAME[name]


def of(mode: str, *, rehearsed: bool = False) -> Recipe:
    """The recipe that a mode stands for, or what rehearses it. Raises: ValueError."""
    if mode == EAGER.mode:
        return EAGER
    recipe = named(mode)
    return named(_rehearsal(recipe).name) if rehearsed else recipe


def is_rehearsal(backends: str) -> bool:
    """Whether one of the backends, listed as a plan lists them, makes nothing faster; so does one
    from a newer version, as far as anybody knows."""
    real = {recipe.backend for recipe in _REAL}
    return not real.issuperset(backends.split(SEPARATOR))

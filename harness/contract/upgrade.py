"""Plans and records of older versions -> what today's version would have written.

One step for each version that changed the form of what was there before; version 2 only added to
version 1. Texts that need no upgrade, or that are no plan or record at all, are left to the reader
to judge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from harness.contract import recipes

Content: TypeAlias = dict[str, Any]

_MODE_AND_BACKEND: Final = 2
_RECIPES: Final = 3
_MODES: Final = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS: Final = (recipes.INDUCTOR, recipes.AOT_EAGER)
# Mode, precision and batch size; the id of a model may hold slashes.
_PARTS_BEHIND_MODEL: Final = 3


def plan(text: str | bytes) -> bytes | None:
    """A plan of an older version in today's form; None if it is none.

    Raises: ValueError: it is none that its version could have held.
    """
    content = _object(text)
    if content.get("kind") != "plan" or "recipes" in content:
        return None
    version = content.get("schema_version", _MODE_AND_BACKEND)
    if type(version) is not int or version not in (1, _MODE_AND_BACKEND):
        return None
    return to_json(_plan_with_recipes(content, version))


def record(text: str | bytes) -> bytes | None:
    """A record of an older version in today's form; None if it is none.

    A line does not tell its version: a case with a mode is from before there were recipes.
    """
    content = _object(text)
    case = content.get("case")
    if not isinstance(case, dict) or "mode" not in case:
        return None
    evidence = content.get("compile_evidence")
    backend = evidence.get("backend") if isinstance(evidence, dict) else recipes.INDUCTOR
    return to_json({**content, "case": _case_with_recipe(case, backend)})


def content_hash(content: Content) -> str:
    """What identifies a plan: a hash of all of it but of what is left out of it and of its id."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_version_2(content: Content) -> Content:
    """What version 2 hashed of a plan that is in today's form."""
    chosen = [recipes.named(name) for name in content["recipes"]]
    noise_floor = [
        {**{name: of for name, of in case.items() if name != "recipe"}, "mode": case["recipe"]}
        for case in content["noise_floor"]
    ]
    return {
        **{name: of for name, of in content.items() if name != "recipes"},
        "schema_version": _MODE_AND_BACKEND,
        "modes": [recipe.mode for recipe in chosen],
        "backend": chosen[0].backend,
        "noise_floor": noise_floor,
    }


def _plan_with_recipes(content: Content, version: int) -> Content:
    """From version 1 or 2: modes and a backend become recipes."""
    modes, backend = content.get("modes", [recipes.DEFAULT]), content.get("backend", _BACKENDS[0])
    if backend not in _BACKENDS:
        raise ValueError(f"backend: it should be {' or '.join(map(repr, _BACKENDS))}")
    if not isinstance(modes, list) or not modes or not all(mode in _MODES for mode in modes):
        raise ValueError(f"modes: it should list one or more of {', '.join(_MODES)}")
    noise_floor, skip = content.get("noise_floor", []), content.get("skip", [])
    rest = {name: of for name, of in content.items() if name not in ("modes", "backend")}
    return {
        **rest,
        "schema_version": _RECIPES,
        "upgraded_from": version,
        "recipes": [_recipe(mode, backend) for mode in modes],
        "noise_floor": _each(noise_floor, lambda case: _case_with_recipe(case, backend)),
        "skip": _each(skip, lambda case_id: _id_with_recipe(case_id, backend)),
    }


def _case_with_recipe(case: object, backend: object) -> object:
    if not isinstance(case, dict) or "mode" not in case:
        return case
    rest = {name: of for name, of in case.items() if name != "mode"}
    return {**rest, "recipe": _recipe(case["mode"], backend)}


def _id_with_recipe(case_id: object, backend: object) -> object:
    if not isinstance(case_id, str) or case_id.count("/") < _PARTS_BEHIND_MODEL:
        return case_id
    model, mode, *rest = case_id.rsplit("/", _PARTS_BEHIND_MODEL)
    return "/".join((model, str(_recipe(mode, backend)), *rest))


def _recipe(mode: object, backend: object) -> object:
    if not isinstance(mode, str) or mode not in (recipes.EAGER.mode, *_MODES):
        return mode
    return recipes.of(mode, rehearsed=backend == recipes.AOT_EAGER).name


def _each(found: object, change: Callable[[object], object]) -> object:
    return list(map(change, found)) if isinstance(found, list) else found


def _object(text: str | bytes) -> Content:
    """What a text holds, if it is an object in JSON; else an empty one."""
    try:
        content = from_json(text)  # a record holds thousands of numbers, and json is slow at them
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

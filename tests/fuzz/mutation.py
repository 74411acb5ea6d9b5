"""Changes JSON so that it stays JSON: who changes bytes alone seldom gets past the parser."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

_Parent: TypeAlias = dict[str, Any] | list[Any]

_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2, 10**6, 10**18, 10**400, -(10**30), 0.0, -0.0, 1e-320, 1e-9, 1e9,
    1e-300, 1e300, 1.7e308, float("inf"), float("nan"), "", " ", "\0", "\ud800", "\u202e",
    "ä" * 300,
    "x" * 5000, "</script><script>alert(1)</script>", "../../etc/passwd", "{{7*7}}", "\n", "NaN",
    [], {}, [[]], [None], {"": None}, "measurement", "failure", "resnet-50", "cuda", "oom", "eager",
    "vit-base/default/float32/b1", "1e999", "9" * 50,
)  # fmt: skip


def mutated(data: bytes, seed: int) -> bytes:
    """One line of JSON of the data with up to three changes; the data itself where none is JSON."""
    chance = random.Random(seed)
    lines = data.split(b"\n")
    whole = _loaded(data)
    if whole is not None:
        return _changed(whole, chance)
    candidates = [number for number, line in enumerate(lines) if _loaded(line) is not None]
    if not candidates:
        return data
    match chance.randrange(8):
        case 0:
            lines.insert(chance.randrange(len(lines)), lines[chance.choice(candidates)])
        case 1:
            del lines[chance.choice(candidates)]
        case _:
            chosen = chance.choice(candidates)
            lines[chosen] = _changed(_loaded(lines[chosen]), chance)
    return b"\n".join(lines)


def _loaded(text: bytes) -> _Parent | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) and found else None


def _changed(content: _Parent | None, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(content))
        if not places:
            break
        parent, key = chance.choice(places)
        match chance.randrange(8):
            case 0:
                del parent[key]
            case 1:
                other, place = chance.choice(places)
                parent[key] = json.loads(json.dumps(other[place]))
            case 2 if isinstance(parent, dict):
                parent[chance.choice(("", "seq", "extra", "case_id"))] = _odd(chance.choice(_ODD))
            case 3 if isinstance(parent, list):
                parent[key:key] = [parent[key]] * chance.choice((1, 2, 50))
            case _:
                parent[key] = _near(parent[key], chance)
    text = json.dumps(content)
    return (text.replace("Infinity", "1e999") if chance.random() < 0.5 else text).encode()


def _near(value: Any, chance: random.Random) -> Any:
    """Of the same kind three times in four, so that it may be valid."""
    if chance.random() < 0.25:
        return _odd(chance.choice(_ODD))
    return _odd(chance.choice([odd for odd in _ODD if type(odd) is type(value)] or _ODD))


def _odd(value: Any) -> Any:
    """A list of its own, so that none can come to hold itself."""
    return copy.deepcopy(value)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in the content where a value stands."""
    keys = content.keys() if isinstance(content, dict) else range(len(content))
    for key in list(keys):
        yield content, key
        if isinstance(content[key], dict | list):
            yield from _places(content[key])

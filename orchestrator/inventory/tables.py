"""hosts.toml as a file, and what the tables of all kinds of hosts have in common."""

from __future__ import annotations

import json
import math
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orchestrator.errors import UsageError

# So much of what somebody wrote is shown in a sentence.
SHOWN: Final = 60
_MAX_CHARACTERS: Final = 1_000_000


def load(path: Path) -> dict[str, object]:
    """The content of an inventory. Raises: UsageError: what is wrong, and where."""
    try:
        return tomllib.loads(_text(path))
    except OSError as error:
        raise UsageError(
            f"cannot read the inventory {path}: {error.strerror}", "Name it with --inventory."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the inventory {path} is not UTF-8 text", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"the inventory {path} cannot be read as TOML: {error}",
            'TOML writes true and false in small letters, text in quotes ("…"), and has no None: '
            "leave such a line out.",
        ) from error
    except RecursionError as error:
        raise UsageError(f"the inventory {path} is nested too deeply") from error
    except ValueError as error:  # more than 4,300 digits, which Python refuses before TOML does
        raise UsageError(f"the inventory {path} holds a number that is none of its kind") from error


def _text(path: Path) -> str:
    """What a regular file holds; a pipe would be waited for, for ever. Some editors put a mark of
    byte order first. Raises: UsageError; OSError; UnicodeDecodeError."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder says so when it is read
        raise UsageError(f"the inventory {path} is no file", "Name one with --inventory.")
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(_MAX_CHARACTERS + 1)
    if len(text) > _MAX_CHARACTERS:
        raise UsageError(f"the inventory {path} is larger than {_MAX_CHARACTERS:,} characters")
    return text


def as_written(value: object) -> str:
    """A value as TOML has it, cut where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    text = text.replace("NaN", "nan").replace("Infinity", "inf")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def price(where: str, table: Mapping[str, object]) -> float | None:
    """The price per hour of a table, in US dollars. Raises: UsageError."""
    value = table.get("price_per_hour")
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(float(str(value))) or float(str(value)) < 0:
        raise UsageError(
            f"{where}: price_per_hour = {as_written(value)} is no price",
            "Write US dollars, as in 3.67.",
        )
    return float(str(value))


def kept_price(settings: Mapping[str, object]) -> float | None:
    """The price per hour that run.json keeps; none where it is damaged."""
    value = settings.get("price_per_hour")
    return value if isinstance(value, int | float) else None

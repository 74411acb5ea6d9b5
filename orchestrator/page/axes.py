"""Round numbers for an axis, and where they stand on it (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator import wording

_WANTED_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line; `x` in percent. A minor one loses its number where the page is narrow."""

    x: float
    text: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Linear, from the domain's ends to 0 and 100 percent."""

    low: float
    high: float

    def percent(self, value: float) -> float:
        return round((value - self.low) / (self.high - self.low) * 100, 2)


def tick_values(low: float, high: float, wanted: int = _WANTED_TICKS) -> tuple[float, ...]:
    """Round numbers that cover low to high in steps of 1, 2 or 5 times a power of ten.

    Returns: at least two values; the first is at most `low`, the last at least `high`.
    """
    if not high > low:
        low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        high = low + 1.0
    step = _step((high - low) / wanted)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    # Division keeps 3 * 0.1 from becoming 0.30000000000000004.
    return tuple(i * step if step >= 1 else i / round(1 / step) for i in range(first, last + 1))


def ticks_of(values: Sequence[float], unit: str) -> tuple[Tick, ...]:
    """Grid lines for these values, zero among them; with a unit, numbers carry their sign."""
    scale = Scale(values[0], values[-1])
    zero = list(values).index(0)
    return tuple(
        Tick(scale.percent(value), _text(value, values, unit), (place - zero) % 2 == 1)
        for place, value in enumerate(values)
    )


def _step(raw: float) -> float:
    """The 1/2/5 rule, with the thresholds that d3-array uses (the geometric middles)."""
    power = 10.0 ** math.floor(math.log10(raw))
    error = raw / power
    factor = 10 if error >= math.sqrt(50) else 5 if error >= math.sqrt(10) else 2
    return power * (factor if error >= math.sqrt(2) else 1)


def _text(value: float, values: Sequence[float], unit: str) -> str:
    decimals = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9))
    sign = "+" if unit and value > 0 else ""
    return f"{sign}{value:,.{decimals}f}{unit}".replace("-", wording.MINUS)

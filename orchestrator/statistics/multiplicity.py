"""Keeps a page of many cases from calling noise a difference: Benjamini-Hochberg (pure).

Judged one by one at 5 %, two of 36 cases without any effect would come out as different. Adjusted,
at most 5 % of those that are called different are false on average; on a page without any effect
the probability of even one is at most 5 % (Benjamini & Hochberg, J. R. Statist. Soc. B 57, 1995).
It is written out because `scipy.stats`, which has it, takes longer to import than a page to
render; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence


def adjusted(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """The smallest false discovery rate at which each case would still be called different.

    Args:
        p_values: one per case; None where there was nothing to test, which does not count.
    Returns: in the same order, each at least as large as its p-value; None stays None.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    smallest = 1.0
    for rank, (p, index) in reversed(list(enumerate(tested, start=1))):
        smallest = min(smallest, p * (len(tested) / rank))
        found[index] = smallest
    return tuple(found)

"""Keeps Python from looking for garbage where there is none.

Records, rows and texts are trees: nothing in them is part of a cycle, so all of it is freed when
the last one who knows it lets go. Looking through millions of them again and again for cycles takes
as long as reading them; without it `report` takes no more memory (`python -m benchmarks page`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Do not look for cycles meanwhile; afterwards it is as it was."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

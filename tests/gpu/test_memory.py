"""In which order a case takes memory and calls: each peak is that of its own variant."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.measure import case, timing


def test_the_peak_of_compiled_calls_is_read_before_eager_ones_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    did: list[str] = []

    def warm_up(call: object, *_: object) -> tuple[tuple[float, ...], bool]:
        did.append(str(call))
        return (1.0,), True

    monkeypatch.setattr(timing, "warm_up", warm_up)
    device = SimpleNamespace(
        forget_cached_memory=lambda: did.append("forget"),
        peak_memory_bytes=lambda: did.append("peak"),
    )
    variant: Any = SimpleNamespace(first_call_s=1.0)
    tools = SimpleNamespace(process_memory_bytes=lambda: did.append("process"))
    prepared: Any = SimpleNamespace(
        clock=None, plan=SimpleNamespace(protocol=None), device=device, instruments=tools
    )
    eager, compiled = (
        SimpleNamespace(**vars(variant), call=name) for name in ("eager", "compiled")
    )
    case._warm_up(prepared, eager, compiled)  # type: ignore[arg-type]
    assert did == ["forget", "compiled", "peak", "process", "eager"]

"""How many of its own kernels Inductor launches per call, read from the code that it generated.

Inductor's own counter counts every kernel that it wrote: under max-autotune also the templates that
it only tried (76 of them where a profile shows 14), and for a CPU the parts of one kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

# A call of a kernel in the wrapper that Inductor writes: `triton_poi_fused_relu_0.run(…)` on a GPU,
# `cpp_fused_relu_0(…)` on a CPU. Those of libraries are `extern_kernels.…`.
_LAUNCH: Final = re.compile(r"^\s+(?:\w+\.run|cpp_\w+)\(", re.MULTILINE)
# How Inductor calls a graph that it compiles only to time it (torch/_inductor/codegen/subgraph.py).
_BENCHMARK: Final = "benchmark_"
_HOOK: Final = "save_output_code"


@dataclass(slots=True)
class Launches:
    """Launches of generated kernels in the code of all graphs of a model, each called once; None
    while no code was seen."""

    per_call: int | None = None

    def add(self, code: str) -> None:
        """Take the wrapper of one graph into account."""
        from torch._inductor.virtualized import V

        graph = getattr(V.graph, "name", None)  # none where the code comes from a cache
        if isinstance(graph, str) and graph.startswith(_BENCHMARK):
            return
        self.per_call = (self.per_call or 0) + len(_LAUNCH.findall(code))


@contextmanager
def counted(launches: Launches) -> Iterator[None]:
    """Count what Inductor compiles meanwhile, by the hook that torch's own tests read code with.

    Loads that part of Inductor which a first compiled call loads anyway, and no sooner: loading it
    is part of what compiling costs.
    """
    lowering = _lowering()
    if not hasattr(lowering, _HOOK):  # another release of torch has no such hook: nothing is said
        yield
        return
    before = lowering.__dict__[_HOOK]
    setattr(lowering, _HOOK, launches.add)
    try:
        yield
    finally:
        setattr(lowering, _HOOK, before)


def _lowering() -> Any:  # noqa: ANN401  its attributes change with the release of torch
    from torch._inductor.graph import GraphLowering

    return GraphLowering
